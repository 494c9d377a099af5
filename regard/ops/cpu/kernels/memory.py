"""Inside a kernel: arrays at addresses, and floats from their bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic


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
def from_bits(context: Any, value: Any) -> Any:
    """The float32 with the bits of an int32."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], ir.FloatType())

    return types.float32(types.int32), generate
