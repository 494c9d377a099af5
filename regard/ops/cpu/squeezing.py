"""squeeze on kernels: statistics of a map, or of a map times a gate, in one read."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from ..once import first_derivative_only
from ..steps import Over, Stat
from .layout import Blocks, blocks, dense, is_dense
from .modulation import form
from .reducing import Statistics, reduce
from .sweeping import gradient_of_map, gradient_through, sent


def squeezed(
    x: Tensor, over: Over, stats: tuple[Stat, ...], gate: Tensor | None
) -> tuple[Tensor, ...] | None:
    """The statistics of :func:`regard.ops.squeeze`; None for what no kernel takes."""
    if not is_dense(x):
        return None
    if gate is not None:
        along = 0 if over == "channels" else 1 if over == "space" else None
        if gate.dtype is not torch.float32 or form(x, gate) != along or gate.shape[0] != len(x):
            return None
        gate = gate.reshape(len(x), -1).contiguous()
    if torch.is_grad_enabled() and (x.requires_grad or (gate is not None and gate.requires_grad)):
        mean, top = _Squeeze.apply(x, gate, over, "max" in stats)
    else:
        b, inner = view(x, over)
        mean, top, _, _ = reduce(b, inner, gate, "max" in stats)
    flat, last = {"mean": mean, "max": top}, not x.is_contiguous()
    return tuple(_shaped(flat[stat], x.shape, last, over) for stat in stats)


def view(x: Tensor, over: Over) -> tuple[Blocks, bool]:
    """A map as blocks, and whether what is reduced is the innermost axis of them."""
    if over in ("space", "channels"):
        b = blocks(x)
        return b, (over == "space") != b.last
    x, last = dense(x)
    *outer, height, width = x.movedim(1, -1).shape[:-1] if last else x.shape
    if not last:
        return Blocks(x, math.prod(outer), height, width, False), over == "width"
    if over == "width":
        return Blocks(x, math.prod(outer) * height, width, x.shape[1], True), False
    return Blocks(x, math.prod(outer), height, width * x.shape[1], True), False


def _shaped(flat: Tensor, shape: tuple[int, ...], last: bool, over: Over) -> Tensor:
    """A flat statistic with as many axes as the map of that shape."""
    batch, channels, *space = shape
    if over == "space":
        return flat.view(batch, channels, *[1] * len(space))
    if over == "channels":
        return flat.view(batch, 1, *space)
    space[-2 if over == "height" else -1] = 1
    if not last:
        return flat.view(batch, channels, *space)
    return flat.view(batch, *space, channels).movedim(-1, 1)


class _Squeeze(Function):
    """Flat mean and maximum of a map, or of a map times a flat gate along what is reduced."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gate: Tensor | None, over: Over, highest: bool) -> Any:
        b, inner = view(x, over)
        found = reduce(b, inner, gate, highest, placed=highest)
        ctx.over, ctx.shape, ctx.inner = over, x.shape, inner
        ctx.b = b._replace(x=x.new_empty(0))
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x if highest or gate is not None else None, gate, *found)
        return found.mean, found.top

    @staticmethod
    def backward(ctx: Any, d_mean: Tensor | None, d_top: Tensor | None) -> Any:
        first_derivative_only("squeeze")
        x, gate, *found = ctx.saved_tensors
        reduced = ctx.b.inner if ctx.inner else ctx.b.rows
        of, gated = Statistics(*found), gate is not None
        part = sent(of, (d_mean, d_top), reduced, inner=ctx.inner, gated=gated)
        if part is None:
            return None, None, None, None
        if x is None:  # a mean alone sends every element the same: that needs no memory
            dx = _shaped(part.d_mean, ctx.shape, ctx.b.last, ctx.over).expand(ctx.shape)
            return dx, None, None, None
        b, d_gate = ctx.b._replace(x=x), None
        if gate is not None and ctx.needs_input_grad[1]:
            d_gate = torch.zeros_like(gate)
            gradient_through(b, gate, part, d_gate)
        gates = (None, gate) if ctx.inner else (gate, None)
        wanted = ctx.needs_input_grad[0]
        d_x = gradient_of_map(b, None, gates, [part]) if wanted else None
        return d_x, d_gate, None, None
