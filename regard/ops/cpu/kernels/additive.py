"""Additive attention in tiles of keys: ``softmax_j(Σ_d w_d tanh(q_id + k_jd))`` times the values.

With a = exp(2q) and b = exp(2k), tanh(q + k) = 1 - 2 / (1 + a·b): exponentials are taken once for a
query and once for a key, a pair costs a product and a division, and four keys share one division.
The sum of w is the same for all keys, so that the softmax cancels it. Nothing as large as queries
times keys is kept: a running softmax in the forward, scores again in the backward.
"""

from __future__ import annotations

import math

import numpy as np
from numba import carray, njit

from ..compiling import FAST
from ..kernel import MOST_ARGUMENTS, Kernel
from .elementary import exp
from .memory import booleans, floats

F = np.float32
W = np.int32
TILE = 64
"""Keys, and features, that are worked on at once."""
MOST = F(1e9)
"""Above it tanh is 1 in float32, and a product of four stays finite."""
NEVER = F(-np.inf)


@njit(inline="always")
def held(product):
    """1 + a·b, held below what four of them could overflow with."""
    product += F(1)
    return product if product < MOST else MOST


@njit(fastmath=FAST, error_model="numpy")
def scores_of(query, keys, weight, scores, start, count):
    """Scores of one query against some keys, but for the constant Σ w."""
    features = len(weight)
    j = 0
    while j + 4 <= count:
        k0, k1, k2, k3 = (
            keys[start + j],
            keys[start + j + 1],
            keys[start + j + 2],
            keys[start + j + 3],
        )
        s0, s1, s2, s3 = F(0), F(0), F(0), F(0)
        for d in range(features):
            a, w = query[d], weight[d]
            p0, p1, p2, p3 = held(a * k0[d]), held(a * k1[d]), held(a * k2[d]), held(a * k3[d])
            u, v = p0 * p1, p2 * p3
            r = w / (u * v)
            ru, rv = r * v, r * u
            s0 += ru * p1
            s1 += ru * p0
            s2 += rv * p3
            s3 += rv * p2
        scores[j], scores[j + 1] = F(-2) * s0, F(-2) * s1
        scores[j + 2], scores[j + 3] = F(-2) * s2, F(-2) * s3
        j += 4
    while j < count:
        key, s0 = keys[start + j], F(0)
        for d in range(features):
            s0 += weight[d] / held(query[d] * key[d])
        scores[j] = F(-2) * s0
        j += 1


@njit(inline="always")
def hide(scores, allowed, start, count):
    """Forbidden keys get no weight."""
    for j in range(count):
        scores[j] = scores[j] if allowed[start + j] != 0 else NEVER


@njit(inline="always")
def _add_values(out, part, values, start, count, size):
    """out += Σ_j part_j values_j, four keys at a time."""
    j = 0
    while j + 4 <= count:
        p0, p1, p2, p3 = part[j], part[j + 1], part[j + 2], part[j + 3]
        v0, v1 = values[start + j], values[start + j + 1]
        v2, v3 = values[start + j + 2], values[start + j + 3]
        for e in range(size):
            out[e] += (p0 * v0[e] + p1 * v1[e]) + (p2 * v2[e] + p3 * v3[e])
        j += 4
    while j < count:
        p0, v0 = part[j], values[start + j]
        for e in range(size):
            out[e] += p0 * v0[e]
        j += 1


@njit(inline="always")
def row_of_mask(a, group, query):
    """The mask's values for a query, from its address and strides."""
    heads, keys = a[12], a[9]
    place = group // heads * a[14] + group % heads * a[15] + query * a[16]
    return booleans(a[13] + place, (keys,))


@njit(inline="always")
def reach_of(a, query):
    """Keys that a query may see, all or those up to its own place."""
    queries, keys = a[8], a[9]
    return max(0, min(keys, query + keys - queries + 1)) if a[17] != 0 else keys


@njit(inline="always")
def _take(out, scores, values, left, count, top, total):
    """A tile more in a running softmax: what was summed is scaled when the maximum rises."""
    best, size = top, len(out)
    for j in range(count):
        best = scores[j] if scores[j] > best else best
    if best == NEVER:
        return top, total
    change = exp(top - best) if total > F(0) else F(0)
    if best > top:
        total *= change
        for e in range(size):
            out[e] *= change
    for j in range(count):
        scores[j] = exp(scores[j] - best) if scores[j] > NEVER else F(0)
    for j in range(count):
        total += scores[j]
    _add_values(out, scores, values, left, count, size)
    return best, total


@Kernel
def attend_additive(arguments, start, stop):
    """exp 2q [G, Q, D], exp 2k [G, K, D], w [h, D], values [G, K, E], out [G, Q, E], logarithm of
    the sum [G, Q], 0, 0, Q, K, D, E, h, mask and its strides over samples, heads and queries,
    causal; a task is a query."""
    a = carray(arguments, (MOST_ARGUMENTS,))
    queries, keys, features, size, heads = a[8], a[9], a[10], a[11], a[12]
    groups = (stop + queries - 1) // queries
    query, key = floats(a[0], (stop, features)), floats(a[1], (groups, keys, features))
    weight, values = floats(a[2], (heads, features)), floats(a[3], (groups, keys, size))
    made, sums = floats(a[4], (stop, size)), floats(a[5], (stop,))
    scores = np.empty(TILE, np.float32)
    for task in range(start, stop):
        group, i = task // queries, task % queries
        out, limit = made[task], reach_of(a, i)
        out[:] = F(0)
        top, total = NEVER, F(0)
        for left in range(0, limit, TILE):
            count = min(TILE, limit - left)
            scores_of(query[task], key[group], weight[group % heads], scores, left, count)
            if a[13] != 0:
                hide(scores, row_of_mask(a, group, i), left, count)
            top, total = _take(out, scores, values[group], left, count, top, total)
        share = F(1) / total if total > F(0) else F(0)
        for e in range(size):
            out[e] *= share
        sums[task] = top + F(math.log(total)) if total > F(0) else F(np.inf)
