"""Elementary functions of float32, in forms that are vectorised."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from .memory import from_bits

F = np.float32
W = np.int32


@intrinsic
def higher(context: Any, one: Any, other: Any) -> Any:
    """The higher of two floats, as one instruction that also vectorises as a reduction; with a NaN
    among them it is any number."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        flags = ("nnan", "nsz")
        above = builder.fcmp_ordered(">", *values, flags=flags)
        return builder.select(above, *values, flags=flags)

    return types.float32(types.float32, types.float32), generate


@njit(inline="always")
def exp(x):
    """exp for x up to 0 or a little above; 0 where it would be tiny."""
    tiny, x = x < F(-87), F(-87) if x < F(-87) else x
    turns = x * F(1.44269504)
    whole = W(turns - F(0.5))
    rest = x - F(whole) * F(0.693359375) + F(whole) * F(2.12194440e-4)
    value = F(1.9841270e-4)
    for factor in (1.3888889e-3, 8.3333333e-3, 4.1666667e-2, 1.6666667e-1, 0.5, 1.0, 1.0):
        value = value * rest + F(factor)
    return F(0) if tiny else value * from_bits(W((whole + W(127)) << W(23)))


@njit(inline="always")
def sigmoid(x):
    """σ, by the exponential of what is not above 0 alone: exact on both sides."""
    tail = exp(-abs(x))
    near = F(1) / (F(1) + tail)
    return tail * near if x < F(0) else near
