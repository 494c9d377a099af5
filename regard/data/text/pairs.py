"""Pairs of sentences, one the translation of the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ...errors import RegardError
from .corpus import Corpus, Part
from .ragged import Array, Chosen, Ints, Ragged, Strings


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Pairs(Part):
    """N pairs.

    Args:
        source, target: one sentence a pair.

    Raises:
        RegardError: their numbers differ.
    """

    source: Strings
    target: Strings

    def __post_init__(self) -> None:
        if len(self.source) != len(self.target):
            raise RegardError(f"{len(self.source):,} sources have {len(self.target):,} targets")

    def __len__(self) -> int:
        return len(self.source)

    def take(self, chosen: Chosen) -> Self:
        """Pairs that a mask ``[N]`` or an index selects, copied."""
        return type(self)(self.source.take(chosen), self.target.take(chosen))

    def arrays(self) -> dict[str, Array]:
        """Bytes and bounds of both sides."""
        return {
            "source": self.source.packed.values,
            "source_bounds": self.source.packed.bounds,
            "target": self.target.packed.values,
            "target_bounds": self.target.packed.bounds,
        }

    @classmethod
    def read(cls, array: Callable[[str], Array]) -> Self:
        """From a function that gives each array of :meth:`arrays` by its name."""
        source, target = (
            Strings(Ragged(array(side), array(f"{side}_bounds"))) for side in ("source", "target")
        )
        return cls(source, target)

    def texts(self) -> Iterator[tuple[str, ...]]:
        """Source and target of each pair."""
        return zip(self.source, self.target, strict=True)

    def sizes(self) -> dict[str, Ints]:
        """Characters of each side."""
        return {
            f"characters of the {side}": np.array([len(text) for text in texts], np.int64)
            for side, texts in (("source", self.source), ("target", self.target))
        }

    def labels(self) -> Ints:
        """None."""
        return np.zeros(0, np.int64)


class Translation(Corpus[Pairs]):
    """The data of a translation task."""

    TASK = "translation"
    PART = Pairs
