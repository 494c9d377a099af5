"""What attention inside windows of a map shares: cutting, joining, and positions in a window."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import RegardError
from ._gate import check_size
from .multihead import check_heads


def default_heads(channels: int, heads: int | None, width: int = 32) -> int:
    """``heads`` if given, else as many as divide the channels into heads of ``width`` or more."""
    check_size(channels, "channels")
    if heads is not None:
        return check_heads(channels, heads)
    return max(h for h in range(1, max(1, channels // width) + 1) if channels % h == 0)


def cut(x: Tensor, window: int) -> Tensor:
    """A map ``[B, C, H, W]`` as windows of tokens ``[B, nW, w², C]``; w divides H and W."""
    tiles = x.unflatten(3, (-1, window)).unflatten(2, (-1, window))
    return tiles.permute(0, 2, 4, 3, 5, 1).flatten(1, 2).flatten(2, 3)


def join(windows: Tensor, window: int, columns: int) -> Tensor:
    """The inverse of :func:`cut`, given the number of windows in a row."""
    tiles = windows.unflatten(2, (window, window)).unflatten(1, (-1, columns))
    return tiles.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)


def relative_index(window: int, device: torch.device) -> Tensor:
    """Where the offset query - key stands in a table of (2w-1)² offsets: ``[w², w²]``."""
    place = torch.arange(window, device=device)
    offset = place[:, None] - place + window - 1
    pair = offset[:, None, :, None] * (2 * window - 1) + offset[None, :, None, :]
    return pair.flatten(2, 3).flatten(0, 1)


def truncated(*layers: nn.Linear) -> None:
    """Weights of a truncated normal distribution of deviation 0.02, biases zero."""
    for layer in layers:
        nn.init.trunc_normal_(layer.weight, std=0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def check_odd(size: int, what: str) -> int:
    """An odd whole number of at least one."""
    if check_size(size, what) % 2 == 0:
        raise RegardError(f"{what} is {size}; it must be odd: 1, 3, 5, 7, …")
    return size
