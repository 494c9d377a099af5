"""Mean and maximum of blocks ``[O, R, I]``, of the map or of the map times a gate, in one read.

``across`` reduces the innermost axis, ``down`` the rows. With a gate, its values run along the axis
that is reduced. For the gradient of a maximum ``first`` keeps where it stands first and ``ties``
how often it stands.

A maximum of NaN is NaN, as in PyTorch. The fast comparison here does not know NaN, so wherever the
sum is not finite the maximum is taken again with care.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from ..kernel import MOST_ARGUMENTS, Kernel
from .elementary import higher
from .memory import floats, integers

F = np.float32
W = np.int32
ONES = np.ones(8, np.float32)
STRETCH = 64
"""Elements that are searched at once, and rows that are summed before their sum is added."""


@njit(inline="always")
def _careful(top, value):
    return value if value > top or value != value else top


@njit(inline="always")
def _place(row, gate, top, first, ties, at):
    """Where the maximum of ``row * gate`` stands first, and how often."""
    size, count = len(row), W(0)
    for i in range(size):
        count += W(row[i] * gate[i] == top)
    ties[at] = count
    i = 0
    while i + STRETCH <= size:
        hit = W(0)
        for j in range(i, i + STRETCH):
            hit |= W(row[j] * gate[j] == top)
        if hit != 0:
            break
        i += STRETCH
    while i < size - 1 and row[i] * gate[i] != top:
        i += 1
    first[at] = i


@njit(inline="always")
def _reduce_across(a, start, stop, gated, highest, placed):
    """x, gate, mean, top, first, ties, R, I; a task is a row."""
    rows, inner = a[6], a[7]
    x, gates = floats(a[0], (stop, inner)), floats(a[1], (stop // rows + 1, inner))
    mean, top = floats(a[2], (stop,)), floats(a[3], (stop,))
    first, ties = integers(a[4], (stop,)), integers(a[5], (stop,))
    ones = np.ones(inner if placed and not gated else 1, np.float32)
    for r in range(start, stop):
        row = x[r]
        gate = gates[r // rows] if gated else ones
        total, best = F(0), F(-np.inf)
        for i in range(inner):
            value = row[i] * gate[i] if gated else row[i]
            total += value
            if highest:
                best = higher(best, value)
        mean[r] = total / F(inner)
        if highest:
            found = best
            if not np.isfinite(total):
                found = F(-np.inf)
                for i in range(inner):
                    found = _careful(found, row[i] * gate[i] if gated else row[i])
            top[r] = found
            if placed:
                _place(row, gate, found, first, ties, r)


@njit(inline="always")
def _four_rows(x, gate, r, size, kept, gated, highest, placed):
    """Take four rows at a time: a running maximum is then compared once for all four."""
    part, best, at, count = kept
    x0, x1, x2, x3 = x[0], x[1], x[2], x[3]
    g0, g1, g2, g3 = (gate[0], gate[1], gate[2], gate[3]) if gated else (F(1), F(1), F(1), F(1))
    for i in range(size):
        v0, v1, v2, v3 = x0[i], x1[i], x2[i], x3[i]
        if gated:
            v0, v1, v2, v3 = v0 * g0, v1 * g1, v2 * g2, v3 * g3
        part[i] += (v0 + v1) + (v2 + v3)
        if highest:
            p, old = higher(higher(v0, v1), higher(v2, v3)), best[i]
            best[i] = higher(p, old)
            if placed:
                here = W(r + 2) if v2 == p else W(r + 3)
                here = W(r + 1) if v1 == p else here
                here = W(r) if v0 == p else here
                at[i] = here if p > old else at[i]
                same = W(v0 == p) + W(v1 == p) + W(v2 == p) + W(v3 == p)
                before = W(0) if p > old else count[i]
                count[i] = before + (same if p >= old else W(0))


@njit(inline="always")
def _eight_rows(x, gate, size, kept, gated, highest):
    """Take eight rows at a time, where the places of the maximum are not asked for."""
    part, best, _, _ = kept
    x0, x1, x2, x3, x4, x5, x6, x7 = x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
    g = gate if gated else ONES
    g0, g1, g2, g3, g4, g5, g6, g7 = g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[7]
    for i in range(size):
        v0, v1, v2, v3, v4, v5, v6, v7 = (
            x0[i], x1[i], x2[i], x3[i], x4[i], x5[i], x6[i], x7[i],
        )  # fmt: skip
        if gated:
            v0, v1, v2, v3 = v0 * g0, v1 * g1, v2 * g2, v3 * g3
            v4, v5, v6, v7 = v4 * g4, v5 * g5, v6 * g6, v7 * g7
        part[i] += ((v0 + v1) + (v2 + v3)) + ((v4 + v5) + (v6 + v7))
        if highest:
            p = higher(higher(v0, v1), higher(v2, v3))
            q = higher(higher(v4, v5), higher(v6, v7))
            best[i] = higher(best[i], higher(p, q))


@njit(inline="always")
def _one_row(row, gate, r, size, kept, gated, highest, placed):
    part, best, at, count = kept
    for i in range(size):
        value = row[i] * gate if gated else row[i]
        part[i] += value
        if highest:
            old = best[i]
            best[i] = higher(value, old)
            if placed:
                at[i] = r if value > old else at[i]
                before = W(0) if value > old else count[i]
                count[i] = before + W(value >= old)


@njit(inline="always")
def _reduce_down(a, start, stop, gated, highest, placed):
    """x, gate, mean, top, first, ties, R, I, width; a task is a block of columns of a sample."""
    rows, inner, width = a[6], a[7], a[8]
    blocks = (inner + width - 1) // width
    samples = (stop + blocks - 1) // blocks
    x, gates = floats(a[0], (samples, rows, inner)), floats(a[1], (samples, rows))
    total, part = np.empty(width, np.float32), np.empty(width, np.float32)
    best = np.empty(width, np.float32)
    at, count = np.empty(width, np.int32), np.empty(width, np.int32)
    kept = (part, best, at, count)
    for task in range(start, stop):
        sample, left = task // blocks, task % blocks * width
        size = min(width, inner - left)
        total[:], best[:] = F(0), F(-np.inf)
        at[:], count[:] = W(0), W(0)
        for begin in range(0, rows, STRETCH):
            part[:] = F(0)
            r, end = begin, min(begin + STRETCH, rows)
            while not placed and r + 8 <= end:
                eight = x[sample, r : r + 8, left : left + size]
                gate = gates[sample, r : r + 8] if gated else gates[0, :0]
                _eight_rows(eight, gate, size, kept, gated, highest)
                r += 8
            while r + 4 <= end:
                four = x[sample, r : r + 4, left : left + size]
                gate = gates[sample, r : r + 4] if gated else gates[0, :0]
                _four_rows(four, gate, r, size, kept, gated, highest, placed)
                r += 4
            while r < end:
                gate = gates[sample, r] if gated else F(1)
                row = x[sample, r, left : left + size]
                _one_row(row, gate, W(r), size, kept, gated, highest, placed)
                r += 1
            for i in range(size):
                total[i] += part[i]
        _keep_down(a, sample, samples, left, size, total, kept, gated, highest, placed)


@njit(inline="always")
def _keep_down(a, sample, samples, left, size, total, kept, gated, highest, placed):
    """Write what a block of columns came to."""
    rows, inner = a[6], a[7]
    x, gates = floats(a[0], (samples, rows, inner)), floats(a[1], (samples, rows))
    mean, top = floats(a[2], (samples, inner)), floats(a[3], (samples, inner))
    first, ties = integers(a[4], (samples, inner)), integers(a[5], (samples, inner))
    _, best, at, count = kept
    for i in range(size):
        mean[sample, left + i] = total[i] / F(rows)
        if highest:
            if not np.isfinite(total[i]):
                best[i] = F(-np.inf)
                for r in range(rows):
                    value = x[sample, r, left + i]
                    best[i] = _careful(best[i], value * gates[sample, r] if gated else value)
            top[sample, left + i] = best[i]
        if placed:
            first[sample, left + i] = at[i]
            ties[sample, left + i] = count[i]


def _across(gated: bool, highest: bool, placed: bool) -> Kernel:
    def across(arguments, start, stop):
        _reduce_across(carray(arguments, (MOST_ARGUMENTS,)), start, stop, gated, highest, placed)

    return Kernel(across)


def _down(gated: bool, highest: bool, placed: bool) -> Kernel:
    def down(arguments, start, stop):
        _reduce_down(carray(arguments, (MOST_ARGUMENTS,)), start, stop, gated, highest, placed)

    return Kernel(down)


_ASKED = ((False, False), (True, False), (True, True))
across = {(g, *asked): _across(g, *asked) for g in (False, True) for asked in _ASKED}
"""Kernels by: with a gate, with the maximum, with its places."""
down = {(g, *asked): _down(g, *asked) for g in (False, True) for asked in _ASKED}
