"""A map as blocks ``[O, R, I]``, the form in which kernels see it."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

LARGE = 1 << 22
"""Elements of a result from which on it is written past the caches: it would not stay in them. What
would is read again from memory then, which costs more than is saved."""
SHORT = 64
"""A shorter innermost axis is mostly ends, which are written as they come."""


class Blocks(NamedTuple):
    """A map and how its memory is divided.

    Args:
        x: the map ``[B, C, *space]``, its memory dense.
        outer: O.
        rows: R.
        inner: I, contiguous.
        last: the channels are the innermost axis (channels last), rows are pixels; otherwise rows
            are channels.
    """

    x: Tensor
    outer: int
    rows: int
    inner: int
    last: bool

    @property
    def size(self) -> int:
        """Elements of the map."""
        return self.outer * self.rows * self.inner

    @property
    def large(self) -> bool:
        """Whether a result of this form is written past the caches."""
        return self.size >= LARGE and self.inner >= SHORT


def is_dense(x: Tensor) -> bool:
    """Whether the memory is channels first or channels last, without gaps."""
    return not x.is_neg() and (x.is_contiguous() or x.movedim(1, -1).is_contiguous())


def dense(x: Tensor) -> tuple[Tensor, bool]:
    """``x``, copied if its memory is neither channels first nor last, and whether it is last."""
    if x.is_neg():
        x = x.resolve_neg()
    if x.is_contiguous():
        return x, False
    if x.movedim(1, -1).is_contiguous():
        return x, True
    return x.contiguous(), False


def blocks(x: Tensor) -> Blocks:
    """A map with samples outside: channels as rows, or pixels as rows where channels are last."""
    x, last = dense(x)
    batch, channels, pixels = x.shape[0], x.shape[1], math.prod(x.shape[2:])
    rows, inner = (pixels, channels) if last else (channels, pixels)
    return Blocks(x, batch, rows, inner, last)


def like(y: Tensor, of: Blocks) -> Tensor:
    """``y``, in memory arranged like a map's blocks."""
    if not of.last:
        return y.contiguous()
    return y.movedim(1, -1).contiguous().movedim(-1, 1)


def block_width(outer: int, inner: int) -> int:
    """Columns that a task takes, so that a few samples still give several tasks."""
    width = 1024
    while width > 64 and outer * math.ceil(inner / width) < 8:
        width //= 2
    return width
