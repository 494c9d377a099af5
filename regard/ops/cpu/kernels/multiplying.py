"""Blocks ``[O, R, I]`` times a gate for each row, a gate along the innermost axis, or both."""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from ..kernel import MOST_ARGUMENTS, Kernel
from .memory import floats

F = np.float32


@njit(inline="always")
def _multiply(a, start, stop, by_row, by_inner):
    """x, y, row gate [O, R], inner gate [O, I], R, I; a task is a row; y may be x."""
    rows, inner = a[4], a[5]
    x, y = floats(a[0], (stop, inner)), floats(a[1], (stop, inner))
    row_gates, gates = floats(a[2], (stop,)), floats(a[3], (stop // rows + 1, inner))
    for r in range(start, stop):
        given, made = x[r], y[r]
        scale = row_gates[r] if by_row else F(1)
        if by_inner:
            gate = gates[r // rows]
            for i in range(inner):
                made[i] = given[i] * scale * gate[i] if by_row else given[i] * gate[i]
        else:
            for i in range(inner):
                made[i] = given[i] * scale


def _variant(by_row: bool, by_inner: bool) -> Kernel:
    def multiply(arguments, start, stop):
        _multiply(carray(arguments, (MOST_ARGUMENTS,)), start, stop, by_row, by_inner)

    return Kernel(multiply)


multiply = {which: _variant(*which) for which in ((True, False), (False, True), (True, True))}
"""Kernels by: with a row gate, with an inner gate."""
