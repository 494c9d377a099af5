"""Additive attention in tiles: ``softmax_j(Σ_d v_d tanh(q_id + k_jd))`` times the values.

A running softmax: nothing as large as queries times keys is written. A program takes a block of
queries of one group (sample and head) and one share of the keys; what the shares give is joined
after. The weighted sum of values lies in memory, not in registers, so that values may have any
width; only its program touches it.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .scoring import allowed_in, scores_of


@triton.jit
def attend_additive(
    query, key, value, v, mask, out, peaks, totals,
    groups, queries, keys, features, size, heads, networks, share,
    by_sample, by_head, by_row, by_column,
    CAUSAL: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, WIDE: tl.constexpr,
    SUM: tl.constexpr,
):  # fmt: skip
    """q [G, D, Q], k [G, D, K], values [G, K, E], v [networks, D], a mask and its strides → of each
    share of ``share`` keys: Σ_j exp(s_ij - m_i) values_j, out [shares, G, Q, E], the largest score
    m and the sum of exponentials, [shares, G, Q]."""
    blocks = tl.cdiv(queries, ROWS)
    group = (tl.program_id(0) // blocks).to(tl.int64)
    rows = tl.program_id(0) % blocks * ROWS + tl.arange(0, ROWS)
    left, place = tl.program_id(1) * share, tl.program_id(1) * groups + group
    query += group * features * queries
    key += group * features * keys
    value += group * keys * size
    v += group % networks * features
    out += place * queries * size
    if mask is not None:
        mask += group // heads * by_sample + group % heads * by_head
    best = tl.full((ROWS,), float("-inf"), tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    later, reach = keys - queries, min(keys, left + share)
    if CAUSAL:
        reach = min(reach, tl.max(rows) + 1 + later)
    for begin in range(left, reach, COLUMNS):
        columns = begin + tl.arange(0, COLUMNS)
        scores = scores_of(query, key, v, rows, columns, queries, keys, features, SUM)
        allowed = allowed_in(mask, by_row, by_column, rows, columns, queries, keys, later, CAUSAL)
        allowed = allowed & (columns < reach)[None, :]
        scores = tl.where(allowed, scores, float("-inf"))
        top = tl.maximum(best, tl.max(scores, 1))
        base = tl.where(top == float("-inf"), 0.0, top)  # nothing seen yet: exp(-inf), not NaN
        weights, change = tl.exp(scores - base[:, None]), tl.exp(best - base)
        total, best = total * change + tl.sum(weights, 1), top
        for low in range(0, size, WIDE):
            wide = low + tl.arange(0, WIDE)
            inside = (columns < reach)[:, None] & (wide < size)[None, :]
            given = tl.load(value + columns[:, None] * size + wide[None, :], mask=inside, other=0)
            inside = (rows < queries)[:, None] & (wide < size)[None, :]
            target = out + rows[:, None] * size + wide[None, :]
            before = tl.load(target, mask=inside, other=0) * change[:, None]
            more = tl.dot(weights, given.to(tl.float32), input_precision="tf32x3")
            tl.store(target, before + more, mask=inside)
        tl.debug_barrier()  # what one thread wrote, another may read for the next keys
    tl.store(peaks + place * queries + rows, best, mask=rows < queries)
    tl.store(totals + place * queries + rows, total, mask=rows < queries)
