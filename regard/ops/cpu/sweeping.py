"""Gradients of gating on kernels: of the gates, and of the map with all that statistics send it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .kernels.sweeping import GATED, NONE, PLAIN, sweep_across, sweep_down, sweep_gates, sweep_x
from .layout import Blocks, block_width
from .reducing import Statistics

PARTS = 8
"""Most parts that the columns of a sample are swept in, where there are few samples."""


class Sent(NamedTuple):
    """What a squeeze sends back to its map.

    Args:
        of: the statistics.
        inner: they are across the innermost axis.
        gated: they are of the map times the gate along that axis.
        d_mean: gradient of the mean over the number of elements, flat.
        d_top: gradient of the maximum over the number of its ties, flat; or None.
    """

    of: Statistics
    inner: bool
    gated: bool
    d_mean: Tensor
    d_top: Tensor | None


Came = tuple[Tensor | None, Tensor | None]
"""Gradients of a mean and of a maximum."""


def sent(of: Statistics, came: Came, reduced: int, *, inner: bool, gated: bool) -> Sent | None:
    """The gradients that came for a mean over so many elements and a maximum; None without any."""
    d_mean, d_top = came
    if d_mean is None and d_top is None:
        return None
    shape = of.mean.shape
    mean = torch.zeros(shape) if d_mean is None else d_mean.reshape(shape).contiguous() / reduced
    top = None
    if d_top is not None and of.ties is not None:
        top = d_top.reshape(shape).contiguous() / of.ties
    return Sent(of, inner, gated, mean, top)


def gradients_of_gates(
    b: Blocks, dy: Tensor, row: Tensor | None, inner: Tensor | None
) -> tuple[Tensor | None, Tensor | None]:
    """Of ``y = x · row · inner``: the gradients of the gates, in their shapes."""
    width = block_width(b.outer, b.inner)
    parts = 1 if b.outer >= PARTS else min(PARTS, -(-b.inner // width))
    d_row = None if row is None else b.x.new_empty((parts, b.outer, b.rows))
    d_inner = None if inner is None else torch.empty_like(inner)
    sweep_gates[row is not None, inner is not None](
        b.outer * parts, 2 * b.size, b.x, dy, row, inner, d_row, d_inner,
        b.rows, b.inner, b.outer, parts, width,
    )  # fmt: skip
    if row is None or d_row is None:
        return None, d_inner
    return (d_row.sum(0) if parts > 1 else d_row).view(row.shape), d_inner


def gradient_through(b: Blocks, gate: Tensor, part: Sent, into: Tensor) -> None:
    """Add to a gate's gradient what comes through the statistics of ``x · gate``."""
    top = None if part.d_top is None else part.of.top
    tensors = (b.x, gate, part.d_mean, top, part.d_top, into, b.rows, b.inner)
    if part.inner:
        width = block_width(b.outer, b.inner)
        sweep_across(b.outer * -(-b.inner // width), b.size, *tensors, width)
    else:
        sweep_down(b.outer * b.rows, b.size, *tensors)


def gradient_of_map(
    b: Blocks, dy: Tensor | None, gates: tuple[Tensor | None, Tensor | None], parts: list[Sent]
) -> Tensor:
    """Of ``x``, written once: ``dy · row · inner`` and what each squeeze sends.

    At most one part is across the innermost axis and one down the rows.
    """
    dx, (row, inner) = torch.empty_like(b.x), gates
    found = {part.inner: part for part in parts}
    kinds = [_kind(found.get(way)) for way in (True, False)]
    tied = None
    if False in found and found[False].d_top is not None:
        ties = found[False].of.ties
        tied = None if ties is None else (ties > 1).any(-1).int()
    columns = [t for way in (True, False) for t in _columns(found.get(way))]
    kernel = sweep_x(dy is not None, row is not None, inner is not None, *kinds)
    kernel(b.outer * b.rows, 2 * b.size, dy, dx, row, inner, *columns, b.x, tied, b.rows, b.inner)
    return dx


def _kind(part: Sent | None) -> int:
    if part is None:
        return NONE
    return GATED if part.gated else PLAIN


def _columns(part: Sent | None) -> tuple[Tensor | None, ...]:
    if part is None:
        return (None,) * 5
    return (part.d_mean, part.d_top, part.of.first, part.of.ties, part.of.top)
