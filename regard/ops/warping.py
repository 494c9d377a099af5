"""warp: the grid and the sampler of the Spatial Transformer in one function.

Jaderberg et al., Spatial Transformer Networks (arXiv:1506.02025), equations 1 and 5. Output and
input coordinates run from -1 to 1 between the centres of the corner pixels (align_corners=True).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

from ..errors import RegardError
from .choosing import wants_kernel


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
    if x.dim() != 4 or theta.shape != (x.shape[0], 2, 3):
        raise RegardError(
            f"warp takes a map [B, C, H, W] and theta [B, 2, 3]; got {tuple(x.shape)} and "
            f"{tuple(theta.shape)}"
        )
    if theta.dtype is torch.float32 and theta.is_cpu and wants_kernel(x, 8, operator=True):
        if torch.compiler.is_compiling():
            from .cpu.operators import warped
        else:
            from .cpu.warping import warped
        return warped(x, theta, size)
    return reference_warp(x, theta, size)


def reference_warp(x: Tensor, theta: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """The definition of :func:`warp` in plain PyTorch."""
    column, row = sampling_points(theta, (x.shape[2], x.shape[3]), size)
    return sample(x, column, row)


def sample(x: Tensor, column: Tensor, row: Tensor) -> Tensor:
    """A map at any points, bilinearly, zero outside the frame; deterministic in backward.

    Args:
        x: ``[B, C, H, W]``.
        column, row: ``[B, h, w]``, in pixels: whole numbers are the centres of pixels.

    Returns:
        ``[B, C, h, w]``.
    """
    tensors = (x, column, row)
    if has_torch_function(tensors):
        return handle_torch_function(sample, tensors, x, column, row)
    height, width = x.shape[2:]
    # One pixel of zeros all around: whatever lies further out samples these.
    left, right, across = _neighbours(column, width)
    top, low, down = _neighbours(row, height)
    padded = F.pad(x, (1, 1, 1, 1)).flatten(2)
    corners = [_pixels(padded, r * (width + 2) + c) for r in (top, low) for c in (left, right)]
    across, down = across.unsqueeze(1).to(x.dtype), down.unsqueeze(1).to(x.dtype)
    above = torch.lerp(corners[0], corners[1], across)
    return torch.lerp(above, torch.lerp(corners[2], corners[3], across), down)


def sampling_points(
    theta: Tensor, frame: tuple[int, int], size: tuple[int, int] | None = None
) -> tuple[Tensor, Tensor]:
    """Where the output's pixels are taken from, in pixels of the input.

    Returns:
        Column and row, each ``[B, *size]``, in theta's precision but at least float32.
    """
    height, width = frame
    theta = theta if theta.dtype == torch.float64 else theta.float()
    (x, along_x), (y, along_y) = places(frame, size, theta)
    shift = theta - torch.eye(2, 3, dtype=theta.dtype, device=theta.device)
    a = shift[:, :, :, None, None]
    dx = a[:, 0, 0] * x + a[:, 0, 1] * y + a[:, 0, 2]
    dy = a[:, 1, 0] * x + a[:, 1, 1] * y + a[:, 1, 2]
    return along_x + dx * ((width - 1) / 2), along_y + dy * ((height - 1) / 2)


def places(
    frame: tuple[int, int], size: tuple[int, int] | None, like: Tensor
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The output's pixels along x ``[w]`` and along y ``[h, 1]``, for a warp of any kind.

    Returns:
        Of each: coordinates from -1 to 1, and identity places in pixels of the input; in the
        precision of ``like``, but at least float32.
    """
    if has_torch_function((like,)):
        found: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]] = handle_torch_function(
            places, (like,), frame, size, like
        )
        return found
    like = like if like.dtype == torch.float64 else like.float()
    out = size or frame
    y, along_y = _axis(out[0], frame[0], like)
    return _axis(out[1], frame[1], like), (y[:, None], along_y[:, None])


def _axis(out: int, size: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Normalised coordinates of ``out`` points, and their identity places in ``size`` pixels."""
    index = torch.arange(out, dtype=like.dtype, device=like.device)
    middle = (out - 1) / 2
    unit = (index - middle) / max(middle, 0.5)
    # Equal sizes must give whole numbers, so nothing is divided there.
    place = index if out == size else (unit + 1) * ((size - 1) / 2)
    return unit, place


def _neighbours(place: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """The padded indices before and after a place, and the share of the way between them."""
    place = place.clamp(-1, size)
    before = place.floor()
    # NaN has no index; the share of the way keeps it, so that a diverged theta is seen.
    index = before.nan_to_num(-1.0).long() + 1
    return index, (index + 1).clamp(max=size + 1), place - before


def _pixels(flat: Tensor, index: Tensor) -> Tensor:
    """``flat [B, C, P]`` at the indices ``[B, h, w]``: ``[B, C, h, w]``."""
    chosen = index.flatten(1).unsqueeze(1).expand(-1, flat.shape[1], -1)
    return flat.gather(2, chosen).unflatten(2, index.shape[1:])
