"""Keep: which maps are kept, and how much of each, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from torch import nn

from ..errors import RegardError, nearest
from ..surgery.patterns import At, modules_at
from .finding import KINDS, Kind
from .places import Places

MEBI = 2**20


@dataclass(frozen=True, slots=True)
class Keep:
    """What is kept of what a model attends with.

    A long sequence is summarised by a stated rule: ⌈N / longest⌉ neighbouring keys become one
    column, the **sum** of their weights (so rows still sum to one), and ⌈N / longest⌉ neighbouring
    queries one row, their **mean**. Fused attention is written out a slab of queries at a time, so
    that the whole of a long map is never in memory.

    Args:
        at: layers, as for :func:`regard.plug`; what is made inside of them is kept.
        kinds: of maps; see :class:`Map`.
        heads: numbers of the heads kept, from 0; negative ones count from the end. Default: all.
        queries: numbers of the queries kept, likewise. Default: all, summarised where too many.
        longest: rows and columns of the largest map that is not summarised; None: any.
        most: bytes of all maps together; what comes after is counted and left out. None: any.

    Raises:
        RegardError: for an unknown kind, an empty list, or a limit below 1.
    """

    at: At = "**"
    kinds: Sequence[Kind] = KINDS
    heads: Sequence[int] | None = None
    queries: Sequence[int] | None = None
    longest: int | None = 512
    most: int | None = 512 * MEBI

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in KINDS:
                raise RegardError(f"keep: no kind of map is called {kind!r}{nearest(kind, KINDS)}")
        for name in ("kinds", "heads", "queries"):
            if (given := getattr(self, name)) is not None and not len(given):
                raise RegardError(f"keep: {name} is empty; None, or at least one, would work")
        for name in ("longest", "most"):
            if (limit := getattr(self, name)) is not None and limit < 1:
                raise RegardError(f"keep: {name}={limit}; 1 or more, or None, would work")

    def sites(self, model: nn.Module) -> frozenset[str] | None:
        """Names of the chosen modules; None for all."""
        return None if self.at == "**" else frozenset(modules_at(model, self.at))

    def strides(self, queries: int, keys: int) -> tuple[int, int]:
        """Queries a row and keys a column of a map of this size."""
        if self.longest is None:
            return 1, 1
        rows = 1 if self.queries is not None else max(1, ceil(queries / self.longest))
        return rows, max(1, ceil(keys / self.longest))

    def part_of(self, places: Places) -> Places:
        """The places of what is kept of a map that is not summarised."""
        keys, queries = places.keys, places.queries
        if self.heads is not None and keys.dim() > 2:
            heads = chosen(self.heads, keys.shape[-2], "head")
            keys = keys[..., heads, :]
            queries = None if queries is None else queries[..., heads, :]
        if self.queries is not None and queries is not None:
            queries = queries[..., chosen(self.queries, queries.shape[-1], "query")]
        return replace(places, keys=keys, queries=queries)


def chosen(numbers: Sequence[int] | None, count: int, what: str) -> list[int]:
    """The numbers as places from 0 to ``count`` - 1; all where there are none.

    Raises:
        RegardError: for a number that is not there.
    """
    if numbers is None:
        return list(range(count))
    for number in numbers:
        if not -count <= number < count:
            raise RegardError(
                f"keep: {what} {number} was asked for; here are {count}: 0 to {count - 1} works"
            )
    return [number % count for number in numbers]
