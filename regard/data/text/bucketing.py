"""Batches of rows of nearly the same length, so that little is padding, and how much is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import RegardError
from .ragged import Ints


def bucketed(
    lengths: Sequence[Ints], batch: int, *, seed: int, epoch: int, most: int | None = None
) -> list[Ints]:
    """The batches of one epoch, drawn from ``(seed, epoch)`` alone.

    Rows are sorted by length, those of equal lengths in random order, cut into batches one behind
    the other, and the batches shuffled. So each epoch has every row once, in other company.

    Args:
        lengths: int64 ``[N]`` of each side; rows are sorted by the first, then the second.
        batch: rows of a batch at most.
        seed, epoch: 0 or more.
        most: padded values at most in a batch, its rows times its longest row on the longer side;
            a longer row is a batch of its own. None: no limit, then the number of batches is
            N / batch, rounded up.

    Returns:
        int64 ``[B]`` indices of the rows of each batch.

    Raises:
        RegardError: no rows, sides of different numbers, or a number out of range.
    """
    _require(lengths, batch, most)
    if min(seed, epoch) < 0:
        raise RegardError(f"seed is {seed} and epoch {epoch}; expected 0 or more")
    bits = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(20, epoch)))
    keys = bits.random_raw(len(lengths[0]))
    batches = _cut(lengths, np.lexsort((keys, *reversed(lengths))), batch, most)
    order = np.argsort(bits.random_raw(len(batches)), kind="stable")
    return [batches[place] for place in order]


def in_order(lengths: Sequence[Ints], batch: int, *, most: int | None = None) -> list[Ints]:
    """All rows in batches from short to long, without chance, for testing; as :func:`bucketed`."""
    _require(lengths, batch, most)
    return _cut(lengths, np.lexsort(tuple(reversed(lengths))), batch, most)


def padding(lengths: Sequence[Ints], batches: Sequence[Ints]) -> float:
    """Share of the padded batches, all sides together, that is padding."""
    padded = sum(int(side[rows].max()) * len(rows) for rows in batches for side in lengths)
    real = sum(int(side[rows].sum()) for rows in batches for side in lengths)
    return 1 - real / padded if padded else 0.0


def _require(lengths: Sequence[Ints], batch: int, most: int | None) -> None:
    counts = {len(side) for side in lengths}
    if len(counts) != 1 or not min(counts):
        raise RegardError(f"sides of {sorted(counts)} rows; expected equal numbers, 1 or more")
    for name, value in (("batch", batch), ("most", 1 if most is None else most)):
        if value < 1:
            raise RegardError(f"{name} is {value}; expected 1 or more")


def _cut(lengths: Sequence[Ints], order: Ints, batch: int, most: int | None) -> list[Ints]:
    if most is None:
        return np.split(order, range(batch, len(order), batch))
    longest = np.max(np.stack(list(lengths)), axis=0)[order].tolist()
    cuts, width, start = [], 0, 0
    for place, length in enumerate(longest):
        width = max(width, length)
        rows = place - start + 1
        if place > start and (rows > batch or rows * width > most):
            cuts.append(place)
            start, width = place, length
    return np.split(order, cuts)
