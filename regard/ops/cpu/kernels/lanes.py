"""Eight floats as one value, for results that go to memory past the caches.

A plain store reads the line that it writes to, and pushes another out of the cache; a large map
that is written whole needs neither. LLVM does not vectorise a loop with stores that go past the
caches, hence eight at a time by hand.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, models, register_model

COUNT = 8
LINE = 16
"""Floats of a line of the cache."""
_FLOATS = ir.VectorType(ir.FloatType(), COUNT)


class Lanes(types.Type):  # type: ignore[misc]
    """Numba's type of eight float32."""

    def __init__(self) -> None:
        super().__init__(name="float32x8")


LANES = Lanes()


@register_model(Lanes)
class _Model(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Lanes) -> None:
        super().__init__(manager, kind, _FLOATS)


@intrinsic
def load(context: Any, address: Any) -> Any:
    """The eight floats at an address."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        value = builder.load(builder.inttoptr(values[0], _FLOATS.as_pointer()))
        value.align = 4
        return value

    return LANES(types.int64), generate


@intrinsic
def spread(context: Any, value: Any) -> Any:
    """Eight times one float."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        index = ir.IntType(32)
        empty = ir.Constant(_FLOATS, ir.Undefined)
        one = builder.insert_element(empty, values[0], ir.Constant(index, 0))
        every = ir.Constant(ir.VectorType(index, COUNT), [0] * COUNT)
        return builder.shuffle_vector(one, empty, every)

    return LANES(types.float32), generate


@intrinsic
def times(context: Any, one: Any, other: Any) -> Any:
    """The product, lane by lane."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.fmul(*values)

    return LANES(LANES, LANES), generate


@intrinsic
def stream(context: Any, address: Any, value: Any) -> Any:
    """Write to an address that is a multiple of 32, past the caches."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        store = builder.store(values[1], builder.inttoptr(values[0], _FLOATS.as_pointer()))
        store.align = 4 * COUNT
        once = builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)])
        store.set_metadata("nontemporal", once)
        return context.get_dummy_value()

    return types.void(types.int64, LANES), generate


@njit(inline="always")
def before_line(address, size):
    """Floats from an address up to the first whole line, at most ``size``."""
    return min(size, -address // 4 % LINE)
