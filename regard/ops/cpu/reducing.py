"""Mean and maximum of blocks in one read, by kernels."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .kernels.reducing import across, down
from .layout import Blocks, block_width


class Statistics(NamedTuple):
    """Mean and maximum over one axis of blocks, flat, and the places of the maximum.

    Args:
        mean, top: ``[O, R]`` or ``[O, I]``; the maximum only where it is asked for.
        first, ties: int32, where a maximum stands first and how often; only where asked for.
    """

    mean: Tensor
    top: Tensor | None
    first: Tensor | None
    ties: Tensor | None


def reduce(
    b: Blocks, inner: bool, gate: Tensor | None = None, highest: bool = False, placed: bool = False
) -> Statistics:
    """Statistics across the innermost axis, or down the rows.

    Args:
        b: the map.
        inner: reduce the innermost axis.
        gate: values along the reduced axis, ``[O, I]`` or ``[O, R]``.
        highest: the maximum too.
        placed: its places too.
    """
    kept = b.rows if inner else b.inner
    shape = (b.outer, kept)
    mean = torch.empty(shape)
    top = torch.empty(shape) if highest else None
    first = torch.empty(shape, dtype=torch.int32) if placed else None
    ties = torch.empty(shape, dtype=torch.int32) if placed else None
    outputs = (b.x, gate, mean, top, first, ties, b.rows, b.inner)
    which = (gate is not None, highest, placed)
    if inner:
        across[which](b.outer * b.rows, b.size, *outputs)
    else:
        width = block_width(b.outer, b.inner)
        tasks = b.outer * -(-b.inner // width)
        down[which](tasks, b.size, *outputs, width)
    return Statistics(mean, top, first, ties)
