"""squeeze: several statistics of a map in one go.

The first of the three steps shared by gating mechanisms: squeeze, excite, modulate.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

from .choosing import wants_kernel
from .steps import Over, Stat


def squeeze(
    x: Tensor,
    over: Over,
    stats: tuple[Stat, ...] = ("mean",),
    *,
    gate: Tensor | None = None,
    mask: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """Statistics of a map, the reduced axes kept with size 1.

    Args:
        x: a map ``[B, C, *space]``.
        over: what is reduced: all of ``space`` → ``[B, C, 1, …]``; ``channels`` →
            ``[B, 1, *space]``; ``height`` (second to last axis) or ``width`` (last axis).
        stats: ``mean`` and ``max``, in the order wanted. The gradient of a maximum is shared
            equally among ties, as in ``torch.amax``.
        gate: if given, the statistics are those of ``x * gate``; the product is not kept.
        mask: boolean ``[B, *space]``, True = a real position. Over space, padding does not count,
            and a sample of padding only gives zeros; over channels, padding gives zeros.

    Returns:
        One tensor a statistic.
    """
    given = tuple(t for t in (x, gate, mask) if t is not None)
    if has_torch_function(given):
        return handle_torch_function(squeeze, given, x, over, stats, gate=gate, mask=mask)
    if mask is None and wants_kernel(x, _saved(stats, gate)):
        from .cpu.squeezing import squeezed

        found = squeezed(x, over, stats, gate)
        if found is not None:
            return found
    return reference_squeeze(x, over, stats, gate=gate, mask=mask)


def _saved(stats: tuple[Stat, ...], gate: Tensor | None) -> int:
    """A mean alone is as fast in PyTorch; another statistic, or the product, is one more read."""
    return len(stats) - 1 + ("max" in stats) + 2 * (gate is not None)


def reference_squeeze(
    x: Tensor,
    over: Over,
    stats: tuple[Stat, ...] = ("mean",),
    *,
    gate: Tensor | None = None,
    mask: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """The definition of :func:`squeeze` in plain PyTorch."""
    if gate is not None:
        x = x * gate
    axes = _axes(x, over)
    if mask is None:
        return tuple(_STATS[stat](x, axes) for stat in stats)
    keep = mask.unsqueeze(1)
    if over == "channels":
        return tuple(_STATS[stat](x, axes).masked_fill(~keep, 0.0) for stat in stats)
    return tuple(_MASKED[stat](x, axes, keep) for stat in stats)


def _axes(x: Tensor, over: Over) -> tuple[int, ...]:
    return {
        "space": tuple(range(2, x.dim())),
        "channels": (1,),
        "height": (-2,),
        "width": (-1,),
    }[over]


def _masked_mean(x: Tensor, axes: tuple[int, ...], keep: Tensor) -> Tensor:
    count = keep.sum(axes, keepdim=True).clamp(min=1)
    return x.masked_fill(~keep, 0.0).sum(axes, keepdim=True) / count.to(x.dtype)


def _masked_max(x: Tensor, axes: tuple[int, ...], keep: Tensor) -> Tensor:
    lowest = torch.finfo(x.dtype).min
    some = keep.any(dim=axes, keepdim=True)
    return x.masked_fill(~keep, lowest).amax(axes, keepdim=True).masked_fill(~some, 0.0)


_STATS = {
    "mean": lambda x, axes: x.mean(axes, keepdim=True),
    "max": lambda x, axes: x.amax(axes, keepdim=True),
}
_MASKED = {"mean": _masked_mean, "max": _masked_max}
