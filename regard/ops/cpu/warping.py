"""warp on kernels: grid and sampler at once, no grid in memory."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from ..once import first_derivative_only
from .kernels.sampling import warp_affine, warp_affine_backward

TASKS = 8
"""Parts that the backward is cut into, at least, where the channels allow it."""


def warped(x: Tensor, theta: Tensor, size: tuple[int, int] | None) -> Tensor:
    """``x [B, C, H, W]`` sampled where ``theta [B, 2, 3]`` says; see :func:`regard.ops.warp`."""
    tall, wide = size or (x.shape[2], x.shape[3])
    out: Tensor = _Warp.apply(x.resolve_neg(), theta.resolve_neg(), tall, wide)
    return out


def forward(x: Tensor, theta: Tensor, tall: int, wide: int) -> Tensor:
    """The output, of that size."""
    x, theta = x.contiguous(), theta.contiguous()
    batch, channels = x.shape[:2]
    y = x.new_empty(batch, channels, tall, wide)
    warp_affine(batch * tall, y.numel(), x, theta, y, *x.shape, tall, wide)
    return y


def backward(
    x: Tensor, theta: Tensor, dy: Tensor, needs_dx: bool = True
) -> tuple[Tensor | None, Tensor]:
    """Gradients of the map, if it needs one, and of theta."""
    x, theta, dy = x.contiguous(), theta.contiguous(), dy.contiguous()
    batch, channels = x.shape[:2]
    dx = torch.zeros_like(x) if needs_dx else None
    parts = max(1, min(channels, math.ceil(TASKS / batch)))
    d_theta = theta.new_empty(parts, *theta.shape)
    warp_affine_backward(
        batch * parts, 3 * dy.numel(), x, theta, dy, dx, d_theta, *x.shape, *dy.shape[2:], parts
    )
    return dx, d_theta.sum(0)


class _Warp(Function):
    """A map and theta → the output."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, theta: Tensor, tall: int, wide: int) -> Tensor:
        x, theta = x.contiguous(), theta.contiguous()
        ctx.save_for_backward(x, theta)
        return forward(x, theta, tall, wide)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        first_derivative_only("warp")
        x, theta = ctx.saved_tensors
        return *backward(x, theta, dy, ctx.needs_input_grad[0]), None, None
