"""Rows of different lengths in one array, and strings packed so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import RegardError

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]
Chosen = npt.NDArray[np.int64] | npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Ragged:
    """Rows of different lengths, one behind the other.

    Args:
        values: ``[total]``, all rows.
        bounds: int64 ``[N + 1]``, from 0 to total, never falling; row i is
            ``values[bounds[i] : bounds[i + 1]]``.

    Raises:
        RegardError: the bounds do not fit the values.
    """

    values: Array
    bounds: Ints

    def __post_init__(self) -> None:
        values, bounds = self.values, self.bounds
        sound = values.ndim == bounds.ndim == 1 and bounds.dtype == np.int64 and len(bounds) > 0
        if not sound or bounds[0] != 0 or bounds[-1] != len(values) or (np.diff(bounds) < 0).any():
            raise RegardError(
                f"bounds are {bounds.dtype} {list(bounds.shape)} for values {list(values.shape)}; "
                "expected int64 [rows + 1] from 0 to the number of values, never falling"
            )

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]], dtype: npt.DTypeLike = np.int32) -> Ragged:
        """Pack rows of whole numbers."""
        kept = list(rows)
        values = np.array([number for row in kept for number in row], dtype)
        return cls(values, bounds_of([len(row) for row in kept]))

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, place: int) -> Array:
        """Row ``place``; negative places count from the end."""
        place = range(len(self))[place]
        row: Array = self.values[self.bounds[place] : self.bounds[place + 1]]
        return row

    def __iter__(self) -> Iterator[Array]:
        return (self[place] for place in range(len(self)))

    def __repr__(self) -> str:
        return f"Ragged({len(self):,} rows, {len(self.values):,} values)"

    @property
    def lengths(self) -> Ints:
        """int64 ``[N]``."""
        return np.diff(self.bounds)

    def take(self, chosen: Chosen) -> Ragged:
        """The rows that a mask ``[N]`` or an index selects, copied."""
        return Ragged(self.values[self._places(chosen)], bounds_of(self.lengths[chosen]))

    def cut(self, most: int) -> Ragged:
        """Every row's first ``most`` values.

        Raises:
            RegardError: ``most`` is below 1.
        """
        if most < 1:
            raise RegardError(f"rows were to be cut to {most}; expected a length of 1 or more")
        lengths = np.minimum(self.lengths, most)
        return Ragged(self.values[_runs(self.bounds[:-1], lengths)], bounds_of(lengths))

    def pad(self, chosen: Chosen, fill: int = 0) -> tuple[Array, npt.NDArray[np.bool_]]:
        """Chosen rows side by side.

        Args:
            chosen: a mask ``[N]`` or an index of B rows.
            fill: what stands behind the end of a row.

        Returns:
            ``[B, longest]`` in the type of the values, and a mask of the same shape that is true
            where a value stands; a row of at least 1.
        """
        lengths = self.lengths[chosen]
        width = max(int(lengths.max(initial=0)), 1)
        mask = np.arange(width) < lengths[:, None]
        padded = np.full(mask.shape, fill, self.values.dtype)
        padded[mask] = self.values[self._places(chosen)]
        return padded, mask

    def _places(self, chosen: Chosen) -> Ints:
        return _runs(self.bounds[:-1][chosen], self.lengths[chosen])


def bounds_of(lengths: Sequence[int] | Ints) -> Ints:
    """int64 ``[N + 1]``: where rows of these lengths begin, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(np.asarray(lengths, np.int64))]).astype(np.int64)


def _runs(starts: Ints, lengths: Ints) -> Ints:
    """start, start + 1, … of each length, one run behind the other."""
    bounds = bounds_of(lengths)
    return np.repeat(starts - bounds[:-1], lengths) + np.arange(bounds[-1])


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Strings:
    """Many strings in one array of UTF-8 bytes: small, quick to save, mapped without being read.

    Args:
        packed: uint8, one row a string.
    """

    packed: Ragged

    @classmethod
    def of(cls, texts: Iterable[str]) -> Strings:
        """Pack strings.

        Raises:
            RegardError: half of a surrogate pair, which no UTF-8 has.
        """
        try:
            rows = [text.encode() for text in texts]
        except UnicodeEncodeError as error:
            raise RegardError(f"text that is no Unicode: {error}") from error
        values = np.frombuffer(b"".join(rows), np.uint8)
        return cls(Ragged(values, bounds_of([len(row) for row in rows])))

    def __len__(self) -> int:
        return len(self.packed)

    def __getitem__(self, place: int) -> str:
        return bytes(self.packed[place]).decode()

    def __iter__(self) -> Iterator[str]:
        data, bounds = bytes(self.packed.values), self.packed.bounds.tolist()
        return (data[low:high].decode() for low, high in pairwise(bounds))

    def __repr__(self) -> str:
        return f"Strings({len(self):,})"

    def take(self, chosen: Chosen) -> Strings:
        """The strings that a mask ``[N]`` or an index selects, copied."""
        return Strings(self.packed.take(chosen))
