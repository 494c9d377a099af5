"""Blocks ``[O, R, I]`` times a gate for each row, a gate along the innermost axis, or both."""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from ..kernel import MOST_ARGUMENTS, Kernel
from .memory import floats

F = np.float32


@njit(inline="always")
def _multiply(a, start, stop, by_row, by_inner, over):
    """x, y, row gate [O, R], inner gate [O, I], R, I; a task is a row.

    Writing over x has a loop of its own: with two arrays that may be one, it is not vectorised.
    """
    rows, inner = a[4], a[5]
    x = floats(a[0], (stop, inner))
    y = x if over else floats(a[1], (stop, inner))
    row_gates, gates = floats(a[2], (stop,)), floats(a[3], (stop // rows + 1, inner))
    for r in range(start, stop):
        given = x[r]
        made = given if over else y[r]
        scale = row_gates[r] if by_row else F(1)
        if by_inner:
            gate = gates[r // rows]
            for i in range(inner):
                made[i] = given[i] * scale * gate[i] if by_row else given[i] * gate[i]
        else:
            for i in range(inner):
                made[i] = given[i] * scale


def _variant(by_row: bool, by_inner: bool, over: bool) -> Kernel:
    def multiply(arguments, start, stop):
        _multiply(carray(arguments, (MOST_ARGUMENTS,)), start, stop, by_row, by_inner, over)

    return Kernel(multiply)


_GATES = ((True, False), (False, True), (True, True))
multiply = {(*which, over): _variant(*which, over) for which in _GATES for over in (False, True)}
"""Kernels by: with a row gate, with an inner gate, over the map itself."""
