"""Inside a kernel: arrays at addresses, and floats whose bits are ordered as whole numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LOWEST = np.int32(-(2**31))
"""Below the key of any number."""


@intrinsic
def _pointer(context: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


@njit(inline="always")
def floats(address, shape):
    """The float32 array of a shape at an address."""
    return carray(_pointer(address), shape, np.float32)


@njit(inline="always")
def integers(address, shape):
    """The int32 array of a shape at an address."""
    return carray(_pointer(address), shape, np.int32)


@njit(inline="always")
def booleans(address, shape):
    """The bytes of a boolean array of a shape at an address."""
    return carray(_pointer(address), shape, np.uint8)


@intrinsic
def _bits(context: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], ir.IntType(32))

    return types.int32(types.float32), generate


@intrinsic
def from_bits(context: Any, value: Any) -> Any:
    """The float32 with the bits of an int32."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], ir.FloatType())

    return types.float32(types.int32), generate


@njit(inline="always")
def key(value):
    """A whole number that is larger for a larger float: a maximum of these is vectorised."""
    bits = _bits(value)
    return np.int32(bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF)))


@njit(inline="always")
def of_key(number):
    """The inverse of ``key``."""
    return from_bits(np.int32(number ^ ((number >> np.int32(31)) & np.int32(0x7FFFFFFF))))
