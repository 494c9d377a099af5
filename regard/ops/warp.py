"""warp: the grid and the sampler of the Spatial Transformer in one function.

Jaderberg et al., Spatial Transformer Networks (arXiv:1506.02025), equations 1 and 5. Output and
input coordinates run from -1 to 1 between the centres of the corner pixels (align_corners=True).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

from ..errors import RegardError


def warp(x: Tensor, theta: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """Sample a map at the points of an affine grid, bilinearly, zero outside the frame.

    Equal to ``grid_sample(x, affine_grid(theta, …), align_corners=True)``, but exact where theta is
    the identity, and deterministic in backward: positions are counted in pixels from their identity
    place instead of being normalised and scaled back.

    Args:
        x: ``[B, C, H, W]``.
        theta: ``[B, 2, 3]``, from output to input coordinates ``(x, y, 1)``.
        size: height and width of the output; those of ``x`` by default.

    Returns:
        ``[B, C, *size]``.

    Raises:
        RegardError: for shapes other than these.
    """
    if has_torch_function((x, theta)):
        return handle_torch_function(warp, (x, theta), x, theta, size)
    if x.dim() != 4 or theta.shape[1:] != (2, 3):
        raise RegardError(
            f"warp takes a map [B, C, H, W] and theta [B, 2, 3]; got {tuple(x.shape)} and "
            f"{tuple(theta.shape)}"
        )
    return reference_warp(x, theta, size)


def reference_warp(x: Tensor, theta: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """The definition of :func:`warp` in plain PyTorch."""
    column, row = sampling_points(theta, (x.shape[2], x.shape[3]), size)
    left, top = column.floor(), row.floor()
    right_share, low_share = column - left, row - top
    result = torch.zeros((), dtype=x.dtype, device=x.device)
    for down, row_share in ((0, 1 - low_share), (1, low_share)):
        for along, column_share in ((0, 1 - right_share), (1, right_share)):
            corner = _pixels(x, top + down, left + along)
            result = result + corner * (row_share * column_share).unsqueeze(1).to(x.dtype)
    return result


def sampling_points(
    theta: Tensor, frame: tuple[int, int], size: tuple[int, int] | None = None
) -> tuple[Tensor, Tensor]:
    """Where the output's pixels are taken from, in pixels of the input.

    Returns:
        Column and row, each ``[B, *size]``, in theta's precision but at least float32.
    """
    height, width = frame
    out_height, out_width = size or frame
    theta = theta if theta.dtype == torch.float64 else theta.float()
    y, along_y = _axis(out_height, height, theta)
    x, along_x = _axis(out_width, width, theta)
    y, along_y = y[:, None], along_y[:, None]
    shift = theta - torch.eye(2, 3, dtype=theta.dtype, device=theta.device)
    a = shift[:, :, :, None, None]
    dx = a[:, 0, 0] * x + a[:, 0, 1] * y + a[:, 0, 2]
    dy = a[:, 1, 0] * x + a[:, 1, 1] * y + a[:, 1, 2]
    return along_x + dx * ((width - 1) / 2), along_y + dy * ((height - 1) / 2)


def _axis(out: int, size: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Normalised coordinates of ``out`` points, and their identity places in ``size`` pixels."""
    index = torch.arange(out, dtype=like.dtype, device=like.device)
    middle = (out - 1) / 2
    unit = (index - middle) / max(middle, 0.5)
    # Equal sizes must give whole numbers, so nothing is divided there.
    place = index if out == size else (unit + 1) * ((size - 1) / 2)
    return unit, place


def _pixels(x: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """``x`` at whole positions ``[B, h, w]``, zero outside: ``[B, C, h, w]``."""
    height, width = x.shape[2:]
    inside = (row >= 0) & (row <= height - 1) & (column >= 0) & (column <= width - 1)
    # Clamped before the cast: an integer made from infinity or NaN is undefined.
    rows = row.nan_to_num(-1.0).clamp(0, height - 1).long()
    columns = column.nan_to_num(-1.0).clamp(0, width - 1).long()
    index = (rows * width + columns).flatten(1).unsqueeze(1).expand(-1, x.shape[1], -1)
    found = x.flatten(2).gather(2, index).unflatten(2, row.shape[1:])
    return torch.where(inside.unsqueeze(1), found, torch.zeros_like(found))
