"""Backward of gating on blocks ``[O, R, I]``: ``y = x · row gate · inner gate``.

Three sweeps at most: gradients of the gates from x and dy; gradient of the first gate through the
statistics of ``x · gate`` that the second one came from; and the gradient of x, written once, with
all that came through statistics. Gradients of a maximum are given divided by the number of its
ties, and go to each of them.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import carray, njit

from ..kernel import MOST_ARGUMENTS, Kernel
from .memory import floats, integers

F = np.float32
W = np.int32
STRETCH = 64
"""Rows that are summed before they are added to the rest: sums of sums are more exact."""
NONE, PLAIN, GATED = 0, 1, 2
"""A statistic: not there, of x, or of x times the gate along its axis."""


@njit(inline="always")
def _sweep_gates(a, start, stop, by_row, by_inner):
    """x, dy, row gate, inner gate, d row gate [parts, O, R], d inner gate [O, I], R, I, O, parts,
    width; a task is a part of the columns of a sample."""
    rows, inner, samples, parts, width = a[6], a[7], a[8], a[9], a[10]
    x, dy = floats(a[0], (samples, rows, inner)), floats(a[1], (samples, rows, inner))
    row_gates, gates = floats(a[2], (samples, rows)), floats(a[3], (samples, inner))
    d_rows, d_inner = floats(a[4], (parts, samples, rows)), floats(a[5], (samples, inner))
    column, total = np.empty(width, np.float32), np.empty(width, np.float32)
    gate, blocks = np.ones(width, np.float32), (inner + width - 1) // width
    for task in range(start, stop):
        sample, part = task // parts, task % parts
        if by_row:
            d_rows[part, sample, :] = F(0)
        for block in range(blocks * part // parts, blocks * (part + 1) // parts):
            left = block * width
            size = min(width, inner - left)
            total[:] = F(0)
            if by_row and by_inner:
                gate[:size] = gates[sample, left : left + size]
            for begin in range(0, rows, STRETCH):
                column[:] = F(0)
                for r in range(begin, min(begin + STRETCH, rows)):
                    row, above = x[sample, r, left : left + size], dy[sample, r, left : left + size]
                    scale, along = row_gates[sample, r] if by_row and by_inner else F(1), F(0)
                    for i in range(size):
                        product = row[i] * above[i]
                        if by_row:
                            along += product * gate[i] if by_inner else product
                        if by_inner:
                            column[i] += product * scale if by_row else product
                    if by_row:
                        d_rows[part, sample, r] += along
                for i in range(size):
                    total[i] += column[i]
            if by_inner:
                d_inner[sample, left : left + size] = total[:size]


def _gates(by_row: bool, by_inner: bool) -> Kernel:
    def sweep_gates(arguments, start, stop):
        _sweep_gates(carray(arguments, (MOST_ARGUMENTS,)), start, stop, by_row, by_inner)

    return Kernel(sweep_gates)


sweep_gates = {which: _gates(*which) for which in ((True, False), (False, True), (True, True))}
"""Kernels by: with a row gate, with an inner gate."""


@Kernel
def sweep_down(arguments, start, stop):
    """Gradient of a row gate through statistics of ``x · gate`` over the rows; a task is a row.

    x, row gate, d mean [O, I] / R, top, d top / ties, d row gate (added to), R, I
    """
    a = carray(arguments, (MOST_ARGUMENTS,))
    rows, inner = a[6], a[7]
    samples = stop // rows + 1
    x, gates, d_gates = floats(a[0], (stop, inner)), floats(a[1], (stop,)), floats(a[5], (stop,))
    d_mean, top = floats(a[2], (samples, inner)), floats(a[3], (samples, inner))
    d_top = floats(a[4], (samples, inner))
    for r in range(start, stop):
        sample, given, gate, total = r // rows, x[r], gates[r], F(0)
        if a[3] == 0:
            for i in range(inner):
                total += given[i] * d_mean[sample, i]
        else:
            for i in range(inner):
                hit = d_top[sample, i] if given[i] * gate == top[sample, i] else F(0)
                total += given[i] * (d_mean[sample, i] + hit)
        d_gates[r] += total


@Kernel
def sweep_across(arguments, start, stop):
    """Gradient of an inner gate through statistics of ``x · gate`` across the innermost axis.

    x, inner gate, d mean [O, R] / I, top, d top / ties, d inner gate (added to), R, I, width; a
    task is a block of columns of a sample
    """
    a = carray(arguments, (MOST_ARGUMENTS,))
    rows, inner, width = a[6], a[7], a[8]
    blocks = (inner + width - 1) // width
    samples = (stop + blocks - 1) // blocks
    x, gates = floats(a[0], (samples, rows, inner)), floats(a[1], (samples, inner))
    d_mean, top = floats(a[2], (samples, rows)), floats(a[3], (samples, rows))
    d_top, d_gates = floats(a[4], (samples, rows)), floats(a[5], (samples, inner))
    column, gate = np.empty(width, np.float32), np.empty(width, np.float32)
    for task in range(start, stop):
        sample, left = task // blocks, task % blocks * width
        size = min(width, inner - left)
        gate[:size] = gates[sample, left : left + size]
        for begin in range(0, rows, STRETCH):
            column[:] = F(0)
            for r in range(begin, min(begin + STRETCH, rows)):
                given, share = x[sample, r, left : left + size], d_mean[sample, r]
                if a[3] == 0:
                    for i in range(size):
                        column[i] += given[i] * share
                else:
                    most, extra = top[sample, r], d_top[sample, r]
                    for i in range(size):
                        hit = extra if given[i] * gate[i] == most else F(0)
                        column[i] += given[i] * (share + hit)
            for i in range(size):
                d_gates[sample, left + i] += column[i]


@njit(inline="always")
def _sweep_x(a, start, stop, given, by_row, by_inner, across, down):
    """dy, dx, row gate, inner gate; of a statistic across: d mean / I, d top / ties, first, ties,
    top; of one down the rows: d mean / R, d top / ties, first, ties, top; x, tied [O], R, I; a task
    is a row."""
    rows, inner = a[16], a[17]
    samples = stop // rows + 1
    dy, dx = floats(a[0], (stop, inner)), floats(a[1], (stop, inner))
    x = floats(a[14], (stop, inner))
    row_gates, gates = floats(a[2], (stop,)), floats(a[3], (samples, inner))
    mean_a, tied = floats(a[4], (stop,)), integers(a[15], (samples,))
    mean_d, high_d = floats(a[9], (samples, inner)), floats(a[10], (samples, inner))
    first_d = integers(a[11], (samples, inner))
    for r in range(start, stop):
        sample, row = r // rows, W(r % rows)
        above, made, gate = dy[r], dx[r], gates[sample]
        scale = row_gates[r] if by_row else F(1)
        share = mean_a[r] if across > 0 else F(0)
        factor = scale if down == GATED else F(1)
        for i in range(inner):
            value = above[i] if given else F(0)
            if by_row:
                value *= scale
            if across == GATED:
                value += share
            if by_inner:
                value *= gate[i]
            if across == PLAIN:
                value += share
            if down > 0:
                more = mean_d[sample, i]
                if a[10] != 0:
                    more += high_d[sample, i] if first_d[sample, i] == row else F(0)
                value += more * factor
            made[i] = value
        if across > 0 and a[5] != 0:
            _hit_across(a, r, made, x[r], gate, across == GATED)
        if down > 0 and a[10] != 0 and tied[sample] != 0:
            _hit_down(a, r, sample, samples, made, x[r], factor)


@njit(inline="always")
def _hit_across(a, r, made, given, gate, gated):
    """The gradient of a row's maximum, to each of its ties."""
    high, first = floats(a[5], (r + 1,))[r], integers(a[6], (r + 1,))[r]
    ties, top = integers(a[7], (r + 1,))[r], floats(a[8], (r + 1,))[r]
    if ties == 1:
        made[first] += high * gate[first] if gated else high
    else:
        for i in range(len(made)):
            factor = gate[i] if gated else F(1)
            if given[i] * factor == top:
                made[i] += high * factor


@njit(inline="always")
def _hit_down(a, r, sample, samples, made, given, factor):
    """The gradients of the columns' maxima in one row, where it is not the first of several."""
    shape, row = (samples, len(made)), W(r % a[16])
    high, first, ties = floats(a[10], shape), integers(a[11], shape), integers(a[12], shape)
    top = floats(a[13], shape)
    for i in range(len(made)):
        if ties[sample, i] > 1 and first[sample, i] != row:
            if given[i] * factor == top[sample, i]:
                made[i] += high[sample, i] * factor


@cache
def sweep_x(given: bool, by_row: bool, by_inner: bool, across: int, down: int) -> Kernel:
    """The kernel that writes dx: with dy, a gate of each kind, a statistic of each direction."""

    def sweep(arguments, start, stop):
        a = carray(arguments, (MOST_ARGUMENTS,))
        _sweep_x(a, start, stop, given, by_row, by_inner, across, down)

    return Kernel(sweep)
