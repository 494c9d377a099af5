"""What a user may say about the reading of text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from ...errors import RegardError
from ..findings import OnBad

Wish = float | str | Path
TEST_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Wishes:
    """Where the parts come from.

    Args:
        test: a share of train above 0 and below 1, taken where the source has no test part; or a
            file or folder.
        validation: a share of train, 0 for none; or a file or folder.
        seed: decides what is taken.
        longest: items beyond it are left out and counted; the unit is the task's.
        on_bad: what is damaged is an ``error``, or is left out and counted with ``skip``.

    Raises:
        RegardError: a value is out of range.
    """

    test: Wish = TEST_SHARE
    validation: Wish = 0.0
    seed: int = 0
    longest: int = 1000
    on_bad: OnBad = "error"

    def __post_init__(self) -> None:
        test, validation = _share(self.test), _share(self.validation)
        for name, sound, expected in (
            ("test", 0 < test < 1, "a share above 0 and below 1, or a path"),
            ("validation", 0 <= validation < 1, "a share from 0 to below 1, or a path"),
            ("seed", self.seed >= 0, "0 or more"),
            ("longest", self.longest >= 1, "1 or more"),
            ("on_bad", self.on_bad in get_args(OnBad), "'error' or 'skip'"),
        ):
            if not sound:
                raise RegardError(f"{name} is {getattr(self, name)!r}; expected {expected}")


def _share(wish: Wish) -> float:
    return 0.5 if isinstance(wish, str | Path) else wish
