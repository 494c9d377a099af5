"""What both directions of additive attention compute: tanh, the scores of a tile, what it may see.

Queries and keys come as ``[groups, features, tokens]``, so that the tokens of one feature lie side
by side and a warp reads them at once.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def tanh(x):
    """tanh within two units in the last place: an odd polynomial near 0, beyond it one exponential
    of a number that is never positive and cannot overflow. Fitted to the relative error."""
    size = tl.abs(x)
    square = x * x
    near = -6.28245529e-3 * square + 2.10777447e-2
    near = near * square - 5.38538545e-2
    near = near * square + 1.33326024e-1
    near = near * square - 3.33333194e-1
    near = x + x * (square * near)
    small = tl.exp2(-2.8853900817779268 * size)  # exp(-2 |x|)
    far = 1 - 2 * small / (1 + small)
    return tl.where(size < 0.55, near, tl.where(x < 0, -far, far))


@triton.jit
def column(start, feature, tokens, rows):
    """One feature of some tokens, as float32; 0 past the end."""
    return tl.load(start + feature * tokens + rows, mask=rows < tokens, other=0).to(tl.float32)


@triton.jit
def scores_of(query, key, v, rows, columns, queries, keys, features, SUM: tl.constexpr):
    """Σ_d v_d tanh(q_id + k_jd) for a tile; sums of ``SUM`` features are summed in their turn, so
    that the error does not grow with the number of features."""
    scores = tl.zeros((rows.shape[0], columns.shape[0]), tl.float32)
    for first in range(0, features, SUM):
        part = tl.zeros((rows.shape[0], columns.shape[0]), tl.float32)
        for feature in range(first, min(first + SUM, features)):
            q, k = column(query, feature, queries, rows), column(key, feature, keys, columns)
            part += tl.load(v + feature).to(tl.float32) * tanh(q[:, None] + k[None, :])
        scores += part
    return scores


@triton.jit
def allowed_in(
    mask, along_row, along_column, rows, columns, queries, keys, later, CAUSAL: tl.constexpr
):
    """Which pairs of a tile may attend; ``later``: how many more keys than queries there are."""
    allowed = (rows < queries)[:, None] & (columns < keys)[None, :]
    if mask is not None:
        place = (
            rows.to(tl.int64)[:, None] * along_row + columns.to(tl.int64)[None, :] * along_column
        )
        allowed = allowed & (tl.load(mask + place, mask=allowed, other=0) != 0)
    if CAUSAL:
        allowed = allowed & (columns[None, :] <= rows[:, None] + later)
    return allowed
