"""attend: softmax attention with any score, in three stages: score, softmax, weighted sum.

Scores between queries q and keys k:

=========== ============================= ==========================================
dot         q·k                           Luong et al., arXiv:1508.04025
scaled_dot  q·k / √d                      Vaswani et al., arXiv:1706.03762, eq. 1
cosine      exp(min(s, ln 100)) cos(q, k) Swin v2, arXiv:2111.09883, eq. 2
bilinear    q W k                         Luong's "general"
additive    v·tanh(q W + k U)             Bahdanau et al., arXiv:1409.0473, eq. in A.1.2
=========== ============================= ==========================================

Dot, scaled dot, cosine and bilinear run on PyTorch's fused attention, additive on a kernel of ours
where there is one: neither keeps anything as large as queries times keys.
"""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

from ..errors import RegardError, nearest
from .choosing import wants_kernel, wants_triton

Score = Literal["dot", "scaled_dot", "cosine", "bilinear", "additive"]


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score: Score = "scaled_dot",
    learned: tuple[Tensor, ...] = (),
    *,
    mask: Tensor | None = None,
    causal: bool = False,
    bias: Tensor | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Attention of queries over keys and values.

    Args:
        query, key, value: ``[B, Nq, d]``, ``[B, Nk, d]``, ``[B, Nk, dv]``, or with heads
            ``[B, h, Nq, d]`` and so on.
        score: how a query is compared with a key; the table above.
        learned: the score's parameters: cosine ``s [h, 1, 1]``; bilinear ``W [h, dq, dk]``;
            additive ``W [h, dq, a]``, ``U [h, dk, a]``, ``v [h, a]``; h = 1 without heads.
        mask: boolean, True = may attend: ``[B, Nk]``, ``[B, Nq, Nk]`` or ``[B, h, Nq, Nk]``.
            A query that may attend nowhere gets zeros.
        causal: a query sees no later key; the last query sees all keys.
        bias: added to the logits, broadcastable to them.
        dropout: share of the weights dropped, after the softmax.

    Returns:
        ``[B, Nq, dv]`` or ``[B, h, Nq, dv]``.

    Raises:
        RegardError: for an unknown score, sources that do not fit each other, or a mask that is not
            boolean or does not fit.
    """
    tensors = (query, key, value)
    if has_torch_function(tensors):
        return handle_torch_function(
            attend, tensors, query, key, value, score, learned,
            mask=mask, causal=causal, bias=bias, dropout=dropout,
        )  # fmt: skip
    _check_sources(query, key, value, score)
    if score == "additive":
        if dropout == 0.0 and bias is None:
            found = _tiled(tensors, learned, mask, causal)
            if found is not None:
                return found
        weights = attention_weights(query, key, score, learned, mask=mask, causal=causal, bias=bias)
        return F.dropout(weights, dropout) @ value
    fold = (*_fold(query, key, score, learned), value)
    scale = None if score == "scaled_dot" else 1.0
    if causal and mask is None and bias is None and query.shape[-2] == key.shape[-2]:
        return _product(fold, None, dropout_p=dropout, is_causal=True, scale=scale)
    allowed = allowed_pairs(query, key, mask, causal)
    return _fused(fold, scale, allowed, bias, dropout)


def _tiled(
    sources: tuple[Tensor, Tensor, Tensor],
    learned: tuple[Tensor, ...],
    mask: Tensor | None,
    causal: bool,
) -> Tensor | None:
    """Additive attention in tiles, on a kernel; None where there is none."""
    (query, key, value), (w, u, v) = sources, learned
    saved = 4 * key.shape[-2]  # hidden features are as many as a query's
    if wants_kernel(query, saved, operator=True):
        if torch.compiler.is_compiling():
            from .cpu.operators import attended
        else:
            from .cpu.attention import attended
    elif wants_triton(query, saved):
        from .triton.attention import attended
    else:
        return None
    allowed = None if mask is None else _aligned(mask, query, key)
    query, key = query @ w, key @ u
    if {query.shape[:-2], key.shape[:-2]} != {value.shape[:-2]} or len(v) not in (1, w.shape[0]):
        return None  # weights of several heads for sources without
    return attended(query, key, value, v, mask=allowed, causal=causal)


def reference_attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score: Score = "scaled_dot",
    learned: tuple[Tensor, ...] = (),
    *,
    mask: Tensor | None = None,
    causal: bool = False,
    bias: Tensor | None = None,
) -> Tensor:
    """The definition of :func:`attend` without dropout, weights written out."""
    return (
        attention_weights(query, key, score, learned, mask=mask, causal=causal, bias=bias) @ value
    )


def attention_weights(
    query: Tensor,
    key: Tensor,
    score: Score = "scaled_dot",
    learned: tuple[Tensor, ...] = (),
    *,
    mask: Tensor | None = None,
    causal: bool = False,
    bias: Tensor | None = None,
) -> Tensor:
    """The weights ``[B, Nq, Nk]`` or ``[B, h, Nq, Nk]``: rows sum to one, or to zero if masked."""
    allowed = allowed_pairs(query, key, mask, causal)
    return _softmax(logits(query, key, score, learned), allowed, bias)


def logits(query: Tensor, key: Tensor, score: Score, learned: tuple[Tensor, ...] = ()) -> Tensor:
    """The scores ``[B, Nq, Nk]`` or ``[B, h, Nq, Nk]`` before mask and softmax."""
    _check_score(score)
    if score == "additive":
        w, u, v = learned
        pair = torch.tanh((query @ w).unsqueeze(-2) + (key @ u).unsqueeze(-3))
        return (pair @ v[:, None, :, None]).squeeze(-1)
    query, key = _fold(query, key, score, learned)
    scale = query.shape[-1] ** -0.5 if score == "scaled_dot" else 1.0
    return (query * scale) @ key.transpose(-2, -1)


def _check_sources(query: Tensor, key: Tensor, value: Tensor, score: Score) -> None:
    """Fused attention itself would cut values short, or give numbers for another batch."""
    _check_score(score)
    one_width = score in ("bilinear", "additive") or query.shape[-1] == key.shape[-1]
    if query.shape[:-2] != key.shape[:-2] or key.shape[:-1] != value.shape[:-1] or not one_width:
        raise RegardError(
            f"{score} attention takes queries [B, Nq, d], keys [B, Nk, d] and values [B, Nk, dv], "
            f"or all with heads [B, h, …]; got queries {tuple(query.shape)}, keys "
            f"{tuple(key.shape)} and values {tuple(value.shape)}"
        )


def _check_score(score: str) -> None:
    if score not in get_args(Score):
        raise RegardError(f"no score is called {score!r}{nearest(score, get_args(Score))}")


def _fold(
    query: Tensor, key: Tensor, score: Score, learned: tuple[Tensor, ...]
) -> tuple[Tensor, Tensor]:
    """Queries and keys whose dot product is the score (for scaled_dot: before the scale)."""
    if score == "cosine":
        scale = learned[0].clamp(max=math.log(100.0)).exp()
        # The usual 1e-12 is zero in float16, where a query of zeros then becomes 0 / 0.
        least = max(1e-12, torch.finfo(query.dtype).tiny)
        query, key = (F.normalize(x, dim=-1, eps=least) for x in (query, key))
        return query * scale, key
    if score == "bilinear":
        return query @ learned[0], key
    return query, key


def _fused(
    tensors: tuple[Tensor, Tensor, Tensor],
    scale: float | None,
    allowed: Tensor | None,
    bias: Tensor | None,
    dropout: float,
) -> Tensor:
    masked, some = allowed, None
    if allowed is not None:
        # A row without any key attends everywhere and is zeroed after: no kernel sees a NaN.
        some = allowed.any(-1, keepdim=True)
        masked = allowed | ~some
    if bias is not None:
        # Some fused kernels read the last two axes of a bias even where it has but one.
        bias = bias.to(tensors[0].dtype)[(None,) * (tensors[0].dim() - bias.dim())]
        masked = bias if masked is None else bias.masked_fill(~masked, float("-inf"))
    out = _product(tensors, masked, dropout_p=dropout, scale=scale)
    return out if some is None else out.masked_fill(~some, 0.0)


def _product(tensors: tuple[Tensor, Tensor, Tensor], mask: Tensor | None, **given: Any) -> Tensor:
    """PyTorch's attention; exported with one head where there is none: ONNX knows no other."""
    if tensors[0].dim() == 4 or not torch.compiler.is_exporting():
        return F.scaled_dot_product_attention(*tensors, attn_mask=mask, **given)
    query, key, value = (x.unsqueeze(1) for x in tensors)
    if mask is not None and mask.dim() == 3:
        mask = mask.unsqueeze(1)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, **given).squeeze(1)


def _softmax(scores: Tensor, allowed: Tensor | None, bias: Tensor | None) -> Tensor:
    if bias is not None:
        scores = scores + bias
    if allowed is None:
        return scores.softmax(-1)
    some = allowed.any(-1, keepdim=True)
    return scores.masked_fill(~(allowed | ~some), float("-inf")).softmax(-1).masked_fill(~some, 0.0)


def allowed_pairs(query: Tensor, key: Tensor, mask: Tensor | None, causal: bool) -> Tensor | None:
    """``mask`` and ``causal`` as one boolean tensor broadcastable to the logits, or None."""
    allowed = None if mask is None else _aligned(mask, query, key)
    if not causal:
        return allowed
    queries, keys = query.shape[-2], key.shape[-2]
    ones = torch.ones(queries, keys, dtype=torch.bool, device=query.device)
    past = ones.tril(keys - queries)
    return past if allowed is None else allowed & past


def _aligned(mask: Tensor, query: Tensor, key: Tensor) -> Tensor:
    dims, given = query.dim(), mask
    if mask.dtype != torch.bool or mask.dim() not in (2, 3, dims):
        raise RegardError(
            f"a mask is boolean (True = may attend) with shape [B, Nk], [B, Nq, Nk] or "
            f"[B, heads, Nq, Nk]; got {mask.dtype} {tuple(mask.shape)}"
        )
    if mask.dim() == 2:
        mask = mask[:, None, :]
    mask = mask[:, None] if mask.dim() < dims else mask
    *places, keys = *query.shape[:-1], key.shape[-2]
    if mask.shape[-1] != keys or any(
        m not in (1, n) for m, n in zip(mask.shape, places, strict=False)
    ):
        raise RegardError(
            f"a mask {tuple(given.shape)} does not fit queries {tuple(query.shape)} and keys "
            f"{tuple(key.shape)}; it is [B, Nk], [B, Nq, Nk] or [B, heads, Nq, Nk]"
        )
    return mask
