"""The weights of attention that never writes them out: PyTorch's fused one, and ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..ops import attention_weights
from .rows import Weights, part, precise


def of_product(  # noqa: PLR0917 - the arguments are PyTorch's
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Weights:
    """The weights of ``scaled_dot_product_attention``, with its arguments."""
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    shape = (*torch.broadcast_shapes(query.shape[:-2], key.shape[:-2]), query.shape[-2])

    def rows(heads: Tensor | None, queries: Tensor) -> Tensor:
        q, k = precise(part(query, heads, queries)), precise(part(key, heads, None))
        logits = (q * factor) @ k.transpose(-2, -1)
        if is_causal:
            keys = torch.arange(key.shape[-2], device=query.device)
            later = keys > queries.to(query.device)[:, None]
            logits = logits.masked_fill(later, float("-inf"))
        if attn_mask is not None:
            logits = _masked(logits, part(attn_mask, heads, queries))
        return logits.softmax(-1).nan_to_num(0.0)

    return Weights((*shape, key.shape[-2]), rows)


def of_attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score: Any = "scaled_dot",
    learned: tuple[Tensor, ...] = (),
    *,
    mask: Tensor | None = None,
    causal: bool = False,
    bias: Tensor | None = None,
    dropout: float = 0.0,
) -> Weights:
    """The weights of :func:`regard.ops.attend`, with its arguments."""
    wanted = _allowed(query, key, mask, causal)

    def rows(heads: Tensor | None, queries: Tensor) -> Tensor:
        several = learned if heads is None else tuple(_of_heads(p, heads) for p in learned)
        weights: Tensor = attention_weights(
            part(query, heads, queries), part(key, heads, None), score, several,
            mask=wanted(heads, queries),
            bias=None if bias is None else part(bias, heads, queries),
        )  # fmt: skip
        return weights

    width = query.shape[-1] if score == "additive" else 1
    return Weights((*query.shape[:-1], key.shape[-2]), rows, width)


def gradient_of(weights: Weights, value: Tensor, gradient: Tensor) -> Weights:
    """The gradient of weights whose product with ``value`` has the given one: dA = dO Vᵀ."""
    heads_of_values = value.shape[-3] if value.dim() > 3 else 1
    if value.dim() > 3 and heads_of_values not in (1, gradient.shape[-3]):
        value = value.repeat_interleave(gradient.shape[-3] // heads_of_values, -3)

    def rows(heads: Tensor | None, queries: Tensor) -> Tensor:
        inner = precise(part(value, heads, None)).transpose(-2, -1)
        return precise(part(gradient, heads, queries)) @ inner

    return Weights(weights.shape, rows)


def _masked(logits: Tensor, mask: Tensor) -> Tensor:
    if mask.dtype == torch.bool:
        return logits.masked_fill(~mask, float("-inf"))
    return logits + mask


def _of_heads(learned: Tensor, heads: Tensor) -> Tensor:
    """The score's parameters of some heads, which stand first."""
    return learned if len(learned) == 1 else learned.index_select(0, heads.to(learned.device))


def _allowed(
    query: Tensor, key: Tensor, mask: Tensor | None, causal: bool
) -> Callable[[Tensor | None, Tensor], Tensor | None]:
    """What some queries may attend to, in a form that ``attention_weights`` takes."""
    keys = key.shape[-2]
    if mask is not None:
        mask = mask[:, None] if mask.dim() == 2 else mask
        mask = mask[:, None] if mask.dim() < query.dim() else mask

    def rows(heads: Tensor | None, queries: Tensor) -> Tensor | None:
        allowed = None if mask is None else part(mask, heads, queries)
        if not causal:
            return allowed
        places = queries.to(key.device)[:, None] + (keys - query.shape[-2])
        past = torch.arange(keys, device=key.device) <= places
        past = past[(None,) * (query.dim() - 2)]
        return past if allowed is None else allowed & past

    return rows
