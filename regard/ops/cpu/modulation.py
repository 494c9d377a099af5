"""modulate on kernels: a map times its gates in one read and one write."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from ..once import first_derivative_only
from .kernels.multiplying import FRESH, OVER, STREAMED, multiply
from .layout import Blocks, blocks, is_dense, like
from .sweeping import gradients_of_gates

Gates = tuple[Tensor | None, Tensor | None]
"""A gate for the rows, O·R numbers, and one along the innermost axis, O·I, each contiguous."""


def product(b: Blocks, gates: Gates, out: Tensor | None = None) -> Tensor:
    """A map times its flat gates, in a new tensor or in one that is given."""
    out = torch.empty_like(b.x) if out is None else out
    row, inner = gates
    multiply[row is not None, inner is not None, destination(b, out)](
        b.outer * b.rows, 2 * b.size, b.x, out, row, inner, b.rows, b.inner
    )
    return out


def destination(b: Blocks, out: Tensor) -> int:
    """How a product of a map is to be written."""
    return OVER if out is b.x else STREAMED if b.large else FRESH


def modulated(x: Tensor, gates: tuple[Tensor, ...]) -> Tensor | None:
    """A map times gates over channels and over space; None for what no kernel takes."""
    flat = flat_gates(x, gates) if is_dense(x) else None
    if flat is None:
        return None
    out: Tensor = _Modulate.apply(x, *flat)
    return out


class _Modulate(Function):
    """A map times its flat gates, with gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, row: Tensor | None, inner: Tensor | None) -> Tensor:
        """``x`` in dense memory; a gate for its rows and one along its innermost axis."""
        ctx.save_for_backward(x, row, inner)
        return product(blocks(x), (row, inner))

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        """Gradients of the map and of the gates."""
        first_derivative_only("modulate")
        x, row, inner = ctx.saved_tensors
        b = blocks(x)
        dy = like(dy, b)
        dx = product(b._replace(x=dy), (row, inner)) if ctx.needs_input_grad[0] else None
        return dx, *gradients_of_gates(b, dy, row, inner)


def flat_gates(x: Tensor, gates: tuple[Tensor, ...]) -> Gates | None:
    """Gates over channels and over space, flat; None if one has another form.

    Several of one form are multiplied first.
    """
    found: list[Tensor | None] = [None, None]
    for gate in gates:
        which = form(x, gate)
        if which is None or gate.dtype is not torch.float32 or gate.shape[0] != x.shape[0]:
            return None
        flat, before = gate.reshape(len(gate), -1), found[which]
        found[which] = flat if before is None else before * flat
    channels, space = (None if t is None else t.contiguous() for t in found)
    return (channels, space) if x.is_contiguous() else (space, channels)


def form(x: Tensor, gate: Tensor) -> int | None:
    """0 for a gate over channels ``[B, C, 1, …]``, 1 for one over space ``[B, 1, *space]``."""
    _, channels, *space = x.shape
    shape = tuple(gate.shape[1:])
    if shape in ((channels,), (channels, *[1] * len(space))):
        return 0
    return 1 if shape == (1, *space) else None
