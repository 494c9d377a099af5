"""The backward of additive attention on Triton, a slab of queries at a time.

The weights of a slab, at most ``PAIRS`` or 64 queries, are written again; what is kept from slab to
slab are the gradients. So memory grows with the tokens, and the kernels have enough to do at once:
tanh is taken three times a pair, and features as well as tokens are split over programs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .kernels.additive_backward import spread, weigh

PAIRS = 1 << 21
"""Pairs of query and key of which weights are held at a time: enough to fill a GPU."""
SUM = 16
"""Features that are summed before they are added to the rest."""
CHUNK = 8
"""Features that one program takes."""
COLUMNS = 64
"""Keys, or queries, that a program sees at once."""


class Sizes(NamedTuple):
    """Groups (samples times heads), queries, keys, hidden features, value features."""

    groups: int
    queries: int
    keys: int
    hidden: int
    size: int


class Masked(NamedTuple):
    """A mask, heads (to tell samples), its strides over samples, heads, queries and keys."""

    mask: Tensor | None
    heads: int
    strides: tuple[int, ...]
    causal: bool


class Slab(NamedTuple):
    """Queries from ``first`` to before ``last``, which see ``reach`` keys at most."""

    first: int
    last: int
    reach: int


def ceil_div(whole: int, part: int) -> int:
    """How many parts hold the whole."""
    return -(-whole // part)


def tile(tokens: int) -> int:
    """Tokens that a program takes: 16, the least that a matrix product takes, or 32."""
    return 16 if tokens <= 16 else 32


def gradients(
    saved: tuple[Tensor, ...], d_out: Tensor, n: Sizes, seen: Masked
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Those of queries, keys, values and v, in float32.

    Args:
        saved: queries and keys ``[G, a, N]``, values ``[G, Nk, dv]``, v, and of each query the
            largest score and the sum of exponentials.
        d_out: ``[G, Nq, dv]``.
        n, seen: sizes, and the mask.
    """
    query, key, value, v, *_ = saved
    value, d_out = value.float(), d_out.float()
    d_query, d_key = (torch.zeros_like(t, dtype=torch.float32) for t in (query, key))
    d_value, d_v = torch.zeros_like(value), value.new_zeros(n.groups, n.hidden)
    for slab in _slabs(n, seen.causal):
        above, reached = d_out[:, slab.first : slab.last], value[:, : slab.reach]
        weights = _weights(saved, n, seen, slab)
        d_value[:, : slab.reach] += weights.mT @ above
        slopes = above @ reached.mT  # of the weights; then, through the softmax, of the scores
        slopes -= (slopes * weights).sum(-1, keepdim=True)
        slopes *= weights
        _spread((query, key, v), slopes, d_query, (slab.first, 0), d_v)
        _spread((key, query, v), slopes.mT, d_key, (0, slab.first))
    return d_query.mT, d_key.mT, d_value, d_v.view(-1, *v.shape).sum(0)


def _slabs(n: Sizes, causal: bool) -> Iterator[Slab]:
    rows = 64 * ceil_div(PAIRS, 64 * n.groups * n.keys)
    for first in range(0, n.queries, rows):
        last = min(n.queries, first + rows)
        reach = min(n.keys, last + n.keys - n.queries) if causal else n.keys
        if reach > 0:
            yield Slab(first, last, reach)


def _weights(saved: tuple[Tensor, ...], n: Sizes, seen: Masked, slab: Slab) -> Tensor:
    query, key, _, v, peaks, totals = saved
    count = slab.last - slab.first
    weights = peaks.new_empty(n.groups, count, slab.reach)
    rows = tile(count)
    weigh[n.groups * ceil_div(count, rows), ceil_div(slab.reach, COLUMNS)](
        query, key, v, seen.mask, peaks, totals, weights,
        n.queries, n.keys, n.hidden, seen.heads, len(v), *slab, *seen.strides,
        CAUSAL=seen.causal, ROWS=rows, COLUMNS=COLUMNS, SUM=SUM,
    )  # fmt: skip
    return weights


def _spread(
    sources: tuple[Tensor, Tensor, Tensor],
    slopes: Tensor,
    d_mine: Tensor,
    start: tuple[int, int],
    d_v: Tensor | None = None,
) -> None:
    """Add a slab's gradients to those of mine, from its first token on, and to those of v."""
    mine, other, v = sources
    groups, count, seen = slopes.shape
    features, rows = mine.shape[1], tile(count)
    blocks = ceil_div(count, rows)
    found = None if d_v is None else slopes.new_empty(groups, blocks, features)
    spread[groups * blocks, ceil_div(features, CHUNK)](
        mine, other, v, slopes, d_mine, found,
        mine.shape[2], other.shape[2], features, len(v), start[0], count, start[1], seen,
        *slopes.stride(), ROWS=rows, COLUMNS=COLUMNS, CHUNK=CHUNK,
    )  # fmt: skip
    if d_v is not None and found is not None:
        d_v += found.sum(1)
