"""What was wrong in a file: an error with its place, or a skip that is counted and told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ...errors import RegardError
from ..findings import OnBad
from ..tree import shown


@dataclass(slots=True)
class Skips:
    """Collects the places of what is left out, for the notes.

    Args:
        on_bad: what is damaged is an ``error``, or is left out and told with ``skip``.
        places: reason → places, such as ``cmn.txt, line 7``.
    """

    on_bad: OnBad = "error"
    places: dict[str, list[str]] = field(default_factory=dict)

    def skip(self, reason: str, place: str) -> None:
        """Count what is harmless to leave out, such as an empty line."""
        self.places.setdefault(reason, []).append(place)

    def bad(self, reason: str, place: str, detail: str) -> None:
        """Refuse what is damaged, or count it where the user said ``skip``.

        Raises:
            RegardError: ``place: detail``, where damage is an error.
        """
        if self.on_bad == "error":
            raise RegardError(
                f'{place}: {detail}; mend it, or pass on_bad="skip" (--skip-bad) to leave such out'
            )
        self.skip(reason, place)

    def notes(self) -> list[str]:
        """One sentence a reason: how many, and where the first ones are."""
        return [
            f"skipped {reason}: {len(places):,} ({'; '.join(places[:3])}"
            + (f" and {len(places) - 3:,} more)" if len(places) > 3 else ")")
            for reason, places in self.places.items()
        ]


def place(path: Path, line: int) -> str:
    """``cmn.txt, line 7``."""
    return f"{shown(path.name)}, line {line:,}"
