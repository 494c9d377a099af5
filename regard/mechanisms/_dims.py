"""Layers by the number of spatial dimensions of a map: 1, 2 or 3."""

from __future__ import annotations

from torch import nn

from ..errors import RegardError


def check_dims(dims: int) -> int:
    """``dims`` itself, if a map can have so many."""
    if dims not in (1, 2, 3) or isinstance(dims, bool):
        raise RegardError(f"dims is {dims!r}; a map has 1, 2 or 3 spatial dimensions")
    return dims


def convolution(dims: int) -> type[nn.Conv1d] | type[nn.Conv2d] | type[nn.Conv3d]:
    """The convolution for maps ``[B, C, *space]`` with so many dimensions of space."""
    kinds = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    return kinds[check_dims(dims) - 1]


def batch_norm(dims: int) -> type[nn.BatchNorm1d] | type[nn.BatchNorm2d] | type[nn.BatchNorm3d]:
    """The batch normalisation for maps with so many dimensions of space."""
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    return kinds[check_dims(dims) - 1]
