"""Kernels as operators of PyTorch, for ``torch.compile``: to it they are single opaque calls.

Where the compiler makes code as fast from the plain form, there is none: squeeze, modulate and gate
are fused well by it. Outside of compiled code nothing calls these, for an operator costs some
microseconds more than an autograd function.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.library import custom_op

from . import attention, warping


@custom_op("regard::warp", mutates_args=())
def warp(x: Tensor, theta: Tensor, tall: int, wide: int) -> Tensor:
    """See :func:`regard.ops.warp`."""
    return warping.forward(x, theta, tall, wide)


@warp.register_fake
def _(x: Tensor, theta: Tensor, tall: int, wide: int) -> Tensor:
    return x.new_empty(x.shape[0], x.shape[1], tall, wide)


@custom_op("regard::warp_backward", mutates_args=())
def warp_backward(x: Tensor, theta: Tensor, dy: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of the map and of theta."""
    dx, d_theta = warping.backward(x, theta, dy)
    return torch.empty(0) if dx is None else dx, d_theta


@warp_backward.register_fake
def _(x: Tensor, theta: Tensor, dy: Tensor) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), theta.new_empty(theta.shape)


def _keep_warp(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:2])


def _warp_gradients(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
    return *warp_backward(*ctx.saved_tensors, dy), None, None


warp.register_autograd(_warp_gradients, setup_context=_keep_warp)


@custom_op("regard::attend_additive", mutates_args=())
def attend_additive(
    sources: list[Tensor], mask: Tensor | None, causal: bool
) -> tuple[Tensor, Tensor]:
    """Attention of ``sources``, and the logarithms of its sums.

    Args:
        sources: projected queries and keys ``[G, N, a]``, values ``[G, Nk, dv]``, v ``[h, a]``.
        mask: ``[B, 1 or Nq, Nk]``, or with heads after the batch; B·h = G.
        causal: a query sees no later key.
    """
    query, key, value, v = sources
    if attention.near(query, key):
        kept = attention.forward((query, key, value), v, mask, causal)
        return kept[4], kept[5]
    return _weights(sources, mask, causal) @ value, query.new_zeros(query.shape[:-1])


@attend_additive.register_fake
def _(sources: list[Tensor], mask: Tensor | None, causal: bool) -> tuple[Tensor, Tensor]:
    query, _, value, _ = sources
    shape = query.shape[:-1]
    return query.new_empty(*shape, value.shape[-1]), query.new_empty(shape)


@custom_op("regard::attend_additive_backward", mutates_args=())
def attend_additive_backward(
    d_out: Tensor, sources: list[Tensor], results: list[Tensor], mask: Tensor | None, causal: bool
) -> list[Tensor]:
    """Gradients of the sources, from what the forward took and gave."""
    query, key, value, v = (t.contiguous() for t in sources)
    if not attention.near(query, key):
        return _plain_gradients(d_out, sources, mask, causal)
    kept = (torch.exp(2 * query), torch.exp(2 * key), v, value, *results, mask)
    return list(attention.backward(kept, d_out, causal))


@attend_additive_backward.register_fake
def _(
    d_out: Tensor, sources: list[Tensor], results: list[Tensor], mask: Tensor | None, causal: bool
) -> list[Tensor]:
    return [t.new_empty(t.shape) for t in sources]


def _keep_additive(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    sources, mask, ctx.causal = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(*sources, *output, mask)


def _additive_gradients(ctx: Any, d_out: Tensor, _: Tensor) -> tuple[Any, ...]:
    *saved, mask = ctx.saved_tensors
    return attend_additive_backward(d_out, saved[:4], saved[4:], mask, ctx.causal), None, None


attend_additive.register_autograd(_additive_gradients, setup_context=_keep_additive)


def attended(
    query: Tensor, key: Tensor, value: Tensor, v: Tensor, *, mask: Tensor | None, causal: bool
) -> Tensor | None:
    """As :func:`.attention.attended`, for code that is being compiled."""
    if not attention.taken(query, key, value, v):
        return None
    flat, mask = attention.flattened((query, key, value), mask)
    out, _ = attend_additive([*flat, v], mask, causal)
    return out.view(*query.shape[:-1], value.shape[-1])


def warped(x: Tensor, theta: Tensor, size: tuple[int, int] | None) -> Tensor:
    """As :func:`.warping.warped`, for code that is being compiled."""
    tall, wide = size or (x.shape[2], x.shape[3])
    return warp(x, theta, tall, wide)


def _weights(sources: list[Tensor], mask: Tensor | None, causal: bool) -> Tensor:
    """The plain form, for numbers whose exponentials the kernels do not take: ``[G, Nq, Nk]``."""
    from ..attention import attention_weights

    query, key, _, v = sources
    heads, eye = len(v), torch.eye(query.shape[-1])[None]
    query, key = (t.unflatten(0, (-1, heads)) for t in (query, key))
    allowed = None if mask is None else mask.reshape(-1, heads, *mask.shape[-2:])
    learned = (eye, eye, v)
    weights = attention_weights(query, key, "additive", learned, mask=allowed, causal=causal)
    return weights.flatten(0, 1)


def _plain_gradients(
    d_out: Tensor, sources: list[Tensor], mask: Tensor | None, causal: bool
) -> list[Tensor]:
    """Gradients of the plain form: no autograd works inside of an operator."""
    query, key, value, v = sources
    weights = _weights(sources, mask, causal)
    d_weights = d_out @ value.mT
    d_logits = weights * (d_weights - (weights * d_weights).sum(-1, keepdim=True))
    hidden = torch.tanh(query.unsqueeze(-2) + key.unsqueeze(-3))
    d_v = torch.einsum("gqk,gqka->ga", d_logits, hidden).view(-1, *v.shape).sum(0)
    along = v.repeat(len(query) // len(v), 1)[:, None, None]
    d_sum = d_logits.unsqueeze(-1) * along * (1 - hidden.square())
    return [d_sum.sum(2), d_sum.sum(1), weights.mT @ d_out, d_v]
