"""Linear resampling as products with small matrices: any dimensions, deterministic in backward."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function


def resize(x: Tensor, like: Tensor) -> Tensor:
    """A map ``[B, C, *space]`` brought to the space of another, linearly along each axis.

    Equal to ``F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=False)`` and its
    relatives in one and three dimensions.
    """
    if has_torch_function((x, like)):
        return handle_torch_function(resize, (x, like), x, like)
    for axis in range(2, x.dim()):
        shares = _shares(like.shape[axis], x.shape[axis], x)
        x = F.linear(x.movedim(axis, -1).contiguous(), shares).movedim(-1, axis)
    return x


def _shares(out: int, size: int, like: Tensor) -> Tensor:
    """Matrix ``[out, size]`` from pixels to places between them; rows sum to one."""
    exact = torch.float64 if like.dtype == torch.float64 else torch.float32
    pixel = torch.arange(size, dtype=exact, device=like.device)
    place = (torch.arange(out, dtype=exact, device=like.device) + 0.5) * (size / out) - 0.5
    gap = (place.clamp(0, size - 1).unsqueeze(1) - pixel).abs()
    return (1 - gap).clamp(min=0).to(like.dtype)


def at_least(x: Tensor, size: int) -> Tensor:
    """``x [B, C, *space]`` with zeros after the last pixel where an axis is shorter than size."""
    if has_torch_function((x,)):
        return handle_torch_function(at_least, (x,), x, size)
    if all(n >= size for n in x.shape[2:]):
        return x
    pads: list[int] = []
    for n in reversed(x.shape[2:]):
        pads += [0, max(0, size - n)]
    return F.pad(x, pads)
