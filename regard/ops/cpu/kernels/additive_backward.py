"""The backward of additive attention: the scores again, a tile of keys at a time.

Through tanh = 1 - 2r the derivative is 4 (r - r²); what a tile sends to all queries is summed in
place, and a part of the tiles is a task with sums of its own.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from ..compiling import FAST
from ..kernel import MOST_ARGUMENTS, Kernel
from .additive import NEVER, TILE, F, held, hide, reach_of, row_of_mask, scores_of
from .elementary import exp
from .memory import floats


@njit(inline="always")
def _gradients_of_scores(a, group, left, count, scores, grads, d_values):
    """For a tile of keys: gradients of the scores of all queries, and those of the values."""
    queries, keys, features, size, heads = a[8], a[9], a[10], a[11], a[12]
    shape = (group + 1, queries, features)
    query, key = floats(a[0], shape)[group], floats(a[1], (group + 1, keys, features))[group]
    weight, value = floats(a[2], (heads, features)), floats(a[3], (group + 1, keys, size))[group]
    above = floats(a[4], (group + 1, queries, size))[group]
    sums, inner = (
        floats(a[5], (group + 1, queries))[group],
        floats(a[6], (group + 1, queries))[group],
    )
    for i in range(queries):
        reach = max(0, min(count, reach_of(a, i) - left))
        scores_of(query[i], key, weight[group % heads], scores, left, reach)
        if a[13] != 0:
            hide(scores, row_of_mask(a, group, i), left, reach)
        row, d_out = grads[i], above[i]
        for j in range(reach):
            seen = scores[j] > NEVER and sums[i] < F(np.inf)
            scores[j] = exp(scores[j] - sums[i]) if seen else F(0)
        for j in range(reach):
            found, d_value, given, part = F(0), d_values[left + j], value[left + j], scores[j]
            for e in range(size):
                found += d_out[e] * given[e]
            for e in range(size):
                d_value[e] += part * d_out[e]
            row[j] = part * (found - inner[i])
        for j in range(reach, TILE):
            row[j] = F(0)


@njit(fastmath=FAST, error_model="numpy")
def _four_keys(packed, place, kept, g0, g1, g2, g3):
    """Four keys and 64 features: sums over the keys, and gradients of the keys.

    ``packed``: a tile of keys and, behind it, their gradients; ``kept``: the query, its sums of
    g·r and of g·(r - r²). In one array with constant distances, so that the loop is vectorised.
    """
    keys, sums = floats(place + packed, (4608,)), floats(kept, (192,))
    for d in range(64):
        c = sums[d]
        p0, p1 = held(c * keys[d]), held(c * keys[64 + d])
        p2, p3 = held(c * keys[128 + d]), held(c * keys[192 + d])
        u, v = p0 * p1, p2 * p3
        r = F(1) / (u * v)
        ru, rv = r * v, r * u
        r0, r1, r2, r3 = ru * p1, ru * p0, rv * p3, rv * p2
        h0, h1, h2, h3 = g0 * r0, g1 * r1, g2 * r2, g3 * r3
        t0, t1, t2, t3 = h0 - h0 * r0, h1 - h1 * r1, h2 - h2 * r2, h3 - h3 * r3
        sums[64 + d] += (h0 + h1) + (h2 + h3)
        sums[128 + d] += (t0 + t1) + (t2 + t3)
        keys[4096 + d] += t0
        keys[4160 + d] += t1
        keys[4224 + d] += t2
        keys[4288 + d] += t3


@njit(inline="always")
def _spread(a, group, part, left, count, grads, packed, kept):
    """Gradients of the scores of a tile → of queries, keys and w, 64 features at a time."""
    queries, keys, features, heads, groups = a[8], a[9], a[10], a[12], a[18]
    query, key = floats(a[0], (groups, queries, features)), floats(a[1], (groups, keys, features))
    weight = floats(a[2], (heads, features))[group % heads]
    d_query = floats(a[19], (part + 1, groups, queries, features))[part, group]
    d_key = floats(a[20], (groups, keys, features))[group]
    d_weight = floats(a[22], (part + 1, groups, features))[part, group]
    first, second = np.int64(packed.ctypes.data), np.int64(kept.ctypes.data)
    for begin in range(0, features, TILE):
        size = min(TILE, features - begin)
        packed[:] = F(0)
        for j in range(count):
            for d in range(size):
                packed[j * 64 + d] = key[group, left + j, begin + d]
        for i in range(queries):
            kept[:] = F(0)
            for d in range(size):
                kept[d] = query[group, i, begin + d]
            g, half = grads[i], F(0)
            for j in range(0, count, 4):
                _four_keys(first, j * 256, second, g[j], g[j + 1], g[j + 2], g[j + 3])
                half += F(0.5) * ((g[j] + g[j + 1]) + (g[j + 2] + g[j + 3]))
            for d in range(size):
                d_query[i, begin + d] += kept[128 + d] * F(4) * weight[begin + d]
                d_weight[begin + d] += F(2) * (half - kept[64 + d])  # Σ g tanh, for tanh = 1 - 2r
        for j in range(count):
            for d in range(size):
                made = packed[4096 + j * 64 + d] * F(4) * weight[begin + d]
                d_key[left + j, begin + d] = made


@Kernel
def attend_additive_backward(arguments, start, stop):
    """exp 2q, exp 2k, w, values, d out, logarithm of the sum, Σ out·d out [G, Q], 0, Q, K, D, E, h,
    mask and its strides, causal, G; d q [parts, G, Q, D] (zeros), d k [G, K, D], d values
    [G, K, E] (zeros), d w [parts, G, D] (zeros), parts; a task is a part of the keys of a group."""
    a = carray(arguments, (MOST_ARGUMENTS,))
    queries, keys, size, groups, parts = a[8], a[9], a[11], a[18], a[23]
    d_values = floats(a[21], (groups, keys, size))
    scores, grads = np.empty(TILE, np.float32), np.empty((queries, TILE), np.float32)
    packed, kept = np.empty(2 * TILE * TILE, np.float32), np.empty(3 * TILE, np.float32)
    tiles = (keys + TILE - 1) // TILE
    for task in range(start, stop):
        group, part = task // parts, task % parts
        for tile in range(tiles * part // parts, tiles * (part + 1) // parts):
            left = tile * TILE
            count = min(TILE, keys - left)
            _gradients_of_scores(a, group, left, count, scores, grads, d_values[group])
            _spread(a, group, part, left, count, grads, packed, kept)
