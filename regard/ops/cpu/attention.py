"""Additive attention on kernels: memory grows with queries plus keys, not with their product."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

from ..once import first_derivative_only
from .kernels.additive import TILE, attend_additive
from .kernels.additive_backward import attend_additive_backward

FURTHEST = 40.0
"""Largest number whose exponential the kernels take; beyond it the plain form works."""
LEAST_HIDDEN = 8
"""Hidden features below which the plain form is more exact: errors of 1 - 2r do not average out."""
TASKS = 4
"""Parts that the backward is cut into where the keys allow it; each has a d query of its own."""


class Sizes(NamedTuple):
    """Groups (samples times heads), queries, keys, hidden features, value features, heads."""

    groups: int
    queries: int
    keys: int
    hidden: int
    size: int
    heads: int


def attended(
    query: Tensor, key: Tensor, value: Tensor, v: Tensor, *, mask: Tensor | None, causal: bool
) -> Tensor | None:
    """``softmax(Σ v tanh(query + key)) value``; None for what the kernels do not take.

    Args:
        query, key: projected, ``[B, N, a]`` or ``[B, h, N, a]``.
        value: ``[B, Nk, dv]`` or ``[B, h, Nk, dv]``.
        v: ``[h, a]``.
        mask: boolean, broadcastable to the logits.
        causal: a query sees no later key.
    """
    if not taken(query, key, value, v) or not near(query, key):
        return None
    flat, mask = flattened((query, key, value), mask)
    out: Tensor = _Additive.apply(*flat, v, mask, causal)
    return out.view(*query.shape[:-1], value.shape[-1])


def taken(*sources: Tensor) -> bool:
    """Whether the kernels take such queries, keys, values and v; autocast projects to a shorter
    type."""
    return sources[-1].shape[-1] >= LEAST_HIDDEN and all(t.dtype is torch.float32 for t in sources)


def flattened(
    sources: tuple[Tensor, Tensor, Tensor], mask: Tensor | None
) -> tuple[list[Tensor], Tensor | None]:
    """Sources ``[B·h, N, …]``, and the mask for all samples, heads and keys."""
    query, key, _ = sources
    if mask is not None:
        mask = mask.expand(*query.shape[:-2], *mask.shape[-2:-1], key.shape[-2])
    return [t.reshape(-1, *t.shape[-2:]) for t in sources], mask


def near(query: Tensor, key: Tensor) -> bool:
    """Whether all projected queries and keys are numbers whose exponentials the kernels take."""
    far = torch.stack([query.detach().abs().amax(), key.detach().abs().amax()])
    return bool((far <= FURTHEST).all())


def _sizes(query: Tensor, key: Tensor, value: Tensor, v: Tensor) -> Sizes:
    groups, queries, hidden = query.shape
    return Sizes(groups, queries, key.shape[1], hidden, value.shape[2], len(v))


def _mask_words(mask: Tensor | None, queries: int, causal: bool) -> tuple[Tensor | int | None, ...]:
    """A mask's address, its strides over samples, heads and queries, and causality."""
    if mask is None:
        return None, 0, 0, 0, int(causal)
    sample, *head = (
        s if n > 1 else 0 for s, n in zip(mask.stride(), mask.shape[:-2], strict=False)
    )
    along = mask.stride(-2) if mask.shape[-2] == queries else 0
    return mask, sample, *(head or [0]), along, int(causal)


def forward(
    sources: tuple[Tensor, Tensor, Tensor], v: Tensor, mask: Tensor | None, causal: bool
) -> tuple[Any, ...]:
    """Flat projected queries and keys, values, v, a mask over all but queries → what the backward
    keeps: exponentials of queries and keys, v, values, output, logarithms of sums, mask."""
    query, key, value = (t.contiguous() for t in sources)
    v = v.contiguous()
    mask = mask if mask is None or mask.stride(-1) == 1 else mask.contiguous()
    n = _sizes(query, key, value, v)
    a, b = torch.exp(2 * query), torch.exp(2 * key)
    out = query.new_empty(n.groups, n.queries, n.size)
    sums = query.new_empty(n.groups, n.queries)
    words = _mask_words(mask, n.queries, causal)
    work = n.groups * n.queries * n.keys * n.hidden
    attend_additive(n.groups * n.queries, work, a, b, v, value, out, sums, 0, 0, *n[1:], *words)
    return a, b, v, value, out, sums, mask


def backward(
    kept: tuple[Any, ...], d_out: Tensor, causal: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of projected queries and keys, of values and v, from what the forward kept."""
    a, b, v, value, out, sums, mask = kept
    n, d_out = _sizes(a, b, value, v), d_out.contiguous()
    tiles = math.ceil(n.keys / TILE)
    parts = max(1, min(tiles, math.ceil(TASKS / n.groups)))
    inner = (out * d_out).sum(-1)
    d_query, d_key = a.new_zeros(parts, *a.shape), torch.empty_like(b)
    d_value, d_v = torch.zeros_like(value), a.new_zeros(parts, n.groups, n.hidden)
    attend_additive_backward(
        n.groups * parts, 2 * n.groups * n.queries * n.keys * n.hidden,
        a, b, v, value, d_out, sums, inner, 0, *n[1:],
        *_mask_words(mask, n.queries, causal), n.groups,
        d_query, d_key, d_value, d_v, parts,
    )  # fmt: skip
    return d_query.sum(0), d_key, d_value, d_v.sum(0).view(-1, *v.shape).sum(0)


class _Additive(Function):
    """Flat projected queries and keys, values, v, a mask over all but queries → output."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Tensor:
        *sources, v, mask, ctx.causal = given
        kept = forward(tuple(sources), v, mask, ctx.causal)
        ctx.save_for_backward(*kept)
        return kept[4]

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> Any:
        first_derivative_only("attend")
        return *backward(ctx.saved_tensors, d_out, ctx.causal), None, None
