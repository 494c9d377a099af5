"""The backward of additive attention, for a slab of queries at a time.

``weigh`` writes the weights of a slab again. Their gradients are matrix products, PyTorch's, and
``spread`` takes those of the scores to the tokens: to queries from all keys, and to keys from
all queries, which is the same loop, for tanh(q + k) knows no order. Each number is written by one
program, in one order: the bits do not change from run to run.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .scoring import allowed_in, scores_of, tanh


@triton.jit
def weigh(
    query, key, v, mask, peaks, totals, weights,
    queries, keys, features, heads, networks, first, last, reach,
    by_sample, by_head, by_row, by_column,
    CAUSAL: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, SUM: tl.constexpr,
):  # fmt: skip
    """As in the forward, for queries ``first`` to ``last`` and keys up to ``reach`` → weights
    [G, last - first, reach]."""
    blocks = tl.cdiv(last - first, ROWS)
    group = (tl.program_id(0) // blocks).to(tl.int64)
    rows = first + tl.program_id(0) % blocks * ROWS + tl.arange(0, ROWS)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    query += group * features * queries
    key += group * features * keys
    v += group % networks * features
    if mask is not None:
        mask += group // heads * by_sample + group % heads * by_head
    later, inside = keys - queries, rows < last
    allowed = allowed_in(mask, by_row, by_column, rows, columns, queries, keys, later, CAUSAL)
    found = tl.zeros((ROWS, COLUMNS), tl.float32)
    if not CAUSAL or tl.min(columns) <= tl.max(rows) + later:
        scores = scores_of(query, key, v, rows, columns, queries, keys, features, SUM)
        best = tl.load(peaks + group * queries + rows, mask=inside, other=0)
        total = tl.load(totals + group * queries + rows, mask=inside, other=1)
        scores = tl.where(allowed, scores - best[:, None], float("-inf"))
        found = tl.exp(scores) / total[:, None]
    place = (group * (last - first) + (rows - first)[:, None]) * reach + columns[None, :]
    tl.store(weights + place, found, mask=inside[:, None] & (columns < reach)[None, :])


@triton.jit
def spread(
    mine, other, v, slopes, d_mine, d_v,
    tokens, others, features, networks, first, count, begin, seen,
    by_group, by_mine, by_other,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, CHUNK: tl.constexpr,
):  # fmt: skip
    """Gradients of scores, in a slab, to those of mine: d_mine[g, d, i] += v_d Σ_j s_ij (1 - t²).

    mine [G, D, tokens] and other [G, D, others], of which ``count`` and ``seen`` from ``first`` and
    ``begin`` on; ``slopes`` and its strides by group, mine and other; d_v: nothing, or Σ_ij s_ij t
    of each block [G, blocks, D]. A program takes a block of mine and some features.
    """
    blocks = tl.cdiv(count, ROWS)
    group, block = (tl.program_id(0) // blocks).to(tl.int64), tl.program_id(0) % blocks
    here = block * ROWS + tl.arange(0, ROWS)
    low = tl.program_id(1) * CHUNK
    mine += group * features * tokens + first
    d_mine += group * features * tokens + first
    other += group * features * others + begin
    slopes += group * by_group
    for feature in range(low, min(low + CHUNK, features)):
        x = tl.load(mine + feature * tokens + here, mask=here < count, other=0).to(tl.float32)
        sums = tl.zeros((ROWS, COLUMNS), tl.float32)
        tangents = tl.zeros((ROWS, COLUMNS), tl.float32)
        for left in range(0, seen, COLUMNS):
            there = left + tl.arange(0, COLUMNS)
            y = tl.load(other + feature * others + there, mask=there < seen, other=0).to(tl.float32)
            inside = (here < count)[:, None] & (there < seen)[None, :]
            place = here.to(tl.int64)[:, None] * by_mine + there.to(tl.int64)[None, :] * by_other
            slope = tl.load(slopes + place, mask=inside, other=0)
            t = tanh(x[:, None] + y[None, :])
            sums += slope * (1 - t * t)
            tangents += slope * t
        factor = tl.load(v + group % networks * features + feature).to(tl.float32)
        target = d_mine + feature * tokens + here
        made = tl.load(target, mask=here < count, other=0) + factor * tl.sum(sums, 1)
        tl.store(target, made, mask=here < count)
        if d_v is not None:
            tl.store(d_v + (group * blocks + block) * features + feature, tl.sum(tangents))
