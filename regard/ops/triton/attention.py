"""Additive attention on Triton: memory grows with queries plus keys, not with their product."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from ..once import first_derivative_only
from .kernels.additive import attend_additive
from .slabs import SUM, Masked, Sizes, ceil_div, gradients, tile

FLOATS = (torch.float32, torch.bfloat16, torch.float16)
PROGRAMS = 512
"""Programs that keep a GPU busy; with fewer blocks of queries than that, keys are shared out."""
COLUMNS = 32
"""Keys, and value features, that a program sees at once: with more of them registers run out."""


def attended(
    query: Tensor, key: Tensor, value: Tensor, v: Tensor, *, mask: Tensor | None, causal: bool
) -> Tensor | None:
    """``softmax(Σ v tanh(query + key)) value``; None for what the kernels do not take.

    Args:
        query, key: projected, ``[B, N, a]`` or ``[B, h, N, a]``.
        value: ``[B, Nk, dv]`` or ``[B, h, Nk, dv]``.
        v: ``[h, a]``.
        mask: boolean, broadcastable to the logits, of any strides.
        causal: a query sees no later key.
    """
    types = {t.dtype for t in (query, key, value, v)}
    autocast = torch.is_autocast_enabled(query.device.type)  # it projects to a shorter type
    if not types.issubset(FLOATS) or (len(types) > 1 and not autocast):
        return None
    if 0 in (*query.shape, *value.shape):
        return None
    flat = (t.reshape(-1, *t.shape[-2:]) for t in (query, key, value))
    out: Tensor = _Additive.apply(*flat, v, _masked(mask, query, key, causal))
    return out.view(*query.shape[:-1], value.shape[-1])


def _masked(mask: Tensor | None, query: Tensor, key: Tensor, causal: bool) -> Masked:
    heads = query.shape[1] if query.dim() == 4 else 1
    if mask is None:
        return Masked(None, heads, (0, 0, 0, 0), causal)
    mask = mask.expand(*query.shape[:-1], key.shape[-2])
    sample, *head, row, column = mask.stride()
    return Masked(mask.view(torch.uint8), heads, (sample, *(head or [0]), row, column), causal)


class _Additive(Function):
    """Flat projected queries and keys, values, v and a mask → output."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Tensor:
        query, key, value, v, seen = given
        groups, queries, hidden = query.shape
        n = Sizes(groups, queries, key.shape[1], hidden, value.shape[2])
        sources = (query.mT.contiguous(), key.mT.contiguous(), value.contiguous(), v.contiguous())
        with torch.cuda.device_of(query):
            out, best, total = _joined(*_shares(sources, n, seen))
        ctx.n, ctx.seen = n, seen._replace(mask=None)
        ctx.save_for_backward(*sources, best, total, seen.mask)
        return out.to(query.dtype)

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> Any:
        first_derivative_only("attend", "Triton")
        *saved, mask = ctx.saved_tensors
        device = d_out.device
        with torch.cuda.device_of(d_out), torch.autocast(device.type, enabled=False):
            found = gradients(tuple(saved), d_out, ctx.n, ctx.seen._replace(mask=mask))
        return *(d.to(t.dtype) for d, t in zip(found, saved[:4], strict=True)), None


def _shares(sources: tuple[Tensor, ...], n: Sizes, seen: Masked) -> tuple[Tensor, Tensor, Tensor]:
    """Of each share of the keys: values summed, the largest score, the sum of exponentials."""
    query, key, value, v = sources
    rows = tile(n.queries)
    blocks = n.groups * ceil_div(n.queries, rows)
    tiles = ceil_div(n.keys, COLUMNS)
    share = COLUMNS * ceil_div(tiles, ceil_div(PROGRAMS, blocks))
    shares = ceil_div(n.keys, share)
    out = v.new_zeros(shares, n.groups, n.queries, n.size, dtype=torch.float32)
    peaks, totals = out.new_empty(2, shares, n.groups, n.queries)
    attend_additive[blocks, shares](
        query, key, value, v, seen.mask, out, peaks, totals,
        *n, seen.heads, len(v), share, *seen.strides,
        CAUSAL=seen.causal, ROWS=rows, COLUMNS=COLUMNS, WIDE=COLUMNS, SUM=SUM,
    )  # fmt: skip
    return out, peaks, totals


def _joined(out: Tensor, peaks: Tensor, totals: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The shares as one; a query that may attend nowhere, whose largest score is -inf, gets 0."""
    best = peaks.amax(0)
    scale = torch.exp(peaks - best.masked_fill(best == -torch.inf, 0.0))
    total = (totals * scale).sum(0)
    total = total.masked_fill(total == 0, 1.0)
    return (out * scale[..., None]).sum(0) / total[..., None], best, total
