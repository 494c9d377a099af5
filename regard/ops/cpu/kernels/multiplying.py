"""Blocks ``[O, R, I]`` times a gate for each row, a gate along the innermost axis, or both."""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from ..kernel import MOST_ARGUMENTS, Kernel
from .lanes import COUNT, LINE, before_line, load, spread, stream, times
from .memory import floats

F = np.float32
FRESH, OVER, STREAMED = range(3)
"""Into other memory, over x itself, into other memory past the caches."""


@njit(inline="always")
def _multiply(a, start, stop, by_row, by_inner, into):
    """x, y, row gate [O, R], inner gate [O, I], R, I; a task is a row.

    Writing over x has a loop of its own: with two arrays that may be one, it is not vectorised.
    """
    rows, inner = a[4], a[5]
    x = floats(a[0], (stop, inner))
    y = x if into == OVER else floats(a[1], (stop, inner))
    row_gates, gates = floats(a[2], (stop,)), floats(a[3], (stop // rows + 1, inner))
    for r in range(start, stop):
        given = x[r]
        made = given if into == OVER else y[r]
        scale = row_gates[r] if by_row else F(1)
        gate = gates[r // rows if by_inner else 0]
        if into == STREAMED:
            _stream(given, made, scale, gate, by_row, by_inner)
        else:
            _plain(given, made, scale, gate, by_row, by_inner)


@njit(inline="always")
def _plain(given, made, scale, gate, by_row, by_inner):
    """One row, or a part of one."""
    if by_inner:
        for i in range(len(given)):
            made[i] = given[i] * scale * gate[i] if by_row else given[i] * gate[i]
    else:
        for i in range(len(given)):
            made[i] = given[i] * scale


@njit(inline="always")
def _stream(given, made, scale, gate, by_row, by_inner):
    """One row: its ends as they come, whole lines of the cache in between past the caches.

    A line that is written only in part past the caches costs more than it saves.
    """
    size, x, y, g = len(given), given.ctypes.data, made.ctypes.data, gate.ctypes.data
    begin, scales = before_line(y, size), spread(scale)
    end = begin + (size - begin) // LINE * LINE
    _plain(given[:begin], made[:begin], scale, gate[:begin], by_row, by_inner)
    for at in range(4 * begin, 4 * end, 4 * COUNT):
        value = load(x + at)
        if by_row:
            value = times(value, scales)
        if by_inner:
            value = times(value, load(g + at))
        stream(y + at, value)
    _plain(given[end:], made[end:], scale, gate[end:], by_row, by_inner)


def _variant(by_row: bool, by_inner: bool, into: int) -> Kernel:
    def multiply(arguments, start, stop):
        _multiply(carray(arguments, (MOST_ARGUMENTS,)), start, stop, by_row, by_inner, into)

    return Kernel(multiply)


_GATES = ((True, False), (False, True), (True, True))
multiply = {(*g, into): _variant(*g, into) for g in _GATES for into in (FRESH, OVER, STREAMED)}
"""Kernels by: with a row gate, with an inner gate, where the result goes."""
