r"""Mixed pooling (SPNet): square and strip averages of a map, added to it through a bottleneck.

.. math::
   s &= \mathrm{relu}\left(f_0(a) + \textstyle\sum_{n \in \{20, 12\}}
        \mathrm{up}(f_n(\mathrm{pool}_{n\times n}\,a))\right), \qquad
   t = \mathrm{relu}(f_h(\mathrm{mean}_h b) + f_w(\mathrm{mean}_w b)) \\
   y &= \mathrm{relu}\left(x + f_3([g_1(s);\ g_2(t)])\right), \qquad a, b = g_{a}(x), g_{b}(x)

Every f is a convolution and a BatchNorm, every g has a ReLU besides. The squares gather what lies
around a pixel, the strips what lies far off in its row and column.

Shapes: ``[B, C, H, W]`` → the same. Cost: 4qC + 51q² + 18q + 2C parameters with q = C/4, some
2.7 C² multiplications a pixel.

This is ``StripPooling`` of the official head; the paper calls it the mixed pooling module, and the
gate by rows and columns alone is :mod:`.strip_pooling`. Pooling and bilinear enlarging are matrix
products, deterministic in backward. An identity start leaves out the last ReLU, which would cut x.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import expect
from ._core import owned
from ._gate import StartOption, check_size, check_start, zero
from .strip_pooling import CARD as STRIP_POOLING


class MixedPooling(nn.Module):
    """Mixed pooling module (Hou et al., arXiv:2003.13328, section 3.2).

    Args:
        channels: C of the map; the hidden layers have max(1, C // 4).
        cells: the two grids of squares, cells to a side.
        residual: add the map to the result, as the official code does.
        rectify: the ReLU at the end; by default only at the paper's start.
        start: ``paper``, or ``identity``: a zero last normalisation, no ReLU.
    """

    def __init__(
        self,
        channels: int,
        cells: tuple[int, int] = (20, 12),
        *,
        residual: bool = True,
        rectify: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, hidden = check_size(channels, "channels"), max(1, channels // 4)
        self.cells = check_cells(cells)
        self.residual = residual
        self.rectify = check_start(start) == "paper" if rectify is None else rectify
        made: dict[str, Any] = {"device": device, "dtype": dtype}

        def layer(source: int, target: int, height: int, width: int, *end: nn.Module) -> nn.Module:
            padding = height // 2, width // 2
            conv = nn.Conv2d(source, target, (height, width), padding=padding, bias=False, **made)
            return nn.Sequential(conv, nn.BatchNorm2d(target, **made), *end)

        self.enter_squares = layer(channels, hidden, 1, 1, nn.ReLU())
        self.enter_strips = layer(channels, hidden, 1, 1, nn.ReLU())
        self.local = layer(hidden, hidden, 3, 3)
        self.fine = layer(hidden, hidden, 3, 3)
        self.coarse = layer(hidden, hidden, 3, 3)
        self.columns = layer(hidden, hidden, 1, 3)
        self.rows = layer(hidden, hidden, 3, 1)
        self.leave_squares = layer(hidden, hidden, 3, 3, nn.ReLU())
        self.leave_strips = layer(hidden, hidden, 3, 3, nn.ReLU())
        self.mix = layer(2 * hidden, channels, 1, 1)
        if start == "identity":
            zero(self.mix.get_submodule("1"))

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]`` plus what the pooled maps say of it."""
        x = expect(x, 1, self.channels, "mixed_pooling", axes=4)
        squares = self.enter_squares(x)
        fine = resized(self.fine(pooled(squares, self.cells[0])), x)
        coarse = resized(self.coarse(pooled(squares, self.cells[1])), x)
        squares = self.leave_squares(torch.relu(self.local(squares) + fine + coarse))
        strips = self.enter_strips(x)
        columns = self.columns(strips.mean(2, keepdim=True))
        cross = self.rows(strips.mean(3, keepdim=True)) + columns
        strips = self.leave_strips(torch.relu(cross))
        out: Tensor = self.mix(torch.cat([squares, strips], 1))
        out = x + out if self.residual else out
        return owned(torch.relu(out)) if self.rectify else out


def check_cells(cells: tuple[int, int]) -> tuple[int, int]:
    """``cells`` itself, if it is two grids."""
    if not isinstance(cells, tuple | list) or len(cells) != 2:
        raise RegardError(f"cells is {cells!r}; it must be two numbers of cells, such as (20, 12)")
    return check_size(cells[0], "cells"), check_size(cells[1], "cells")


def pooled(x: Tensor, cells: int) -> Tensor:
    """Adaptive average pooling ``[B, C, H, W]`` → ``[B, C, n, n]`` as two matrix products."""
    return _bins(x.shape[2], cells, x) @ x @ _bins(x.shape[3], cells, x).T


def _bins(size: int, cells: int, like: Tensor) -> Tensor:
    """Matrix ``[cells, size]``; a cell that ends within a pixel takes the whole pixel."""
    cell = torch.arange(cells, device=like.device).unsqueeze(1)
    first, end = cell * size // cells, ((cell + 1) * size + cells - 1) // cells
    place = torch.arange(size, device=like.device)
    return ((place >= first) & (place < end)).to(like.dtype) / (end - first)


def resized(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear enlarging to the height and width of ``like``, corners on corners."""
    rows, columns = (_tents(x.shape[i], like.shape[i], x) for i in (2, 3))
    return rows @ x @ columns.T


def _tents(size: int, target: int, like: Tensor) -> Tensor:
    """Matrix ``[target, size]``: each new pixel lies between two old ones."""
    exact = torch.promote_types(like.dtype, torch.float32)
    place = torch.arange(target, device=like.device, dtype=exact).unsqueeze(1)
    last: Any = torch.sym_max(target - 1, 1)
    place = place * (size - 1) / last
    old = torch.arange(size, device=like.device, dtype=exact)
    return (1 - (place - old).abs()).clamp(min=0).to(like.dtype)


CARD = Card(
    name="mixed_pooling",
    title="Mixed pooling",
    module=MixedPooling,
    takes="map",
    family=("channel", "spatial"),
    start="residual",
    paper=STRIP_POOLING.paper,
    year=STRIP_POOLING.year,
    authors=STRIP_POOLING.authors,
    bibtex=STRIP_POOLING.bibtex,
    code=STRIP_POOLING.code,
    code_licence=STRIP_POOLING.code_licence,
    aliases=("mpm",),
    variants=("official",),
    parameters="4*C*max(1, C//4) + 51*max(1, C//4)**2 + 18*max(1, C//4) + 2*C",
    complexity="O(C²·HW) multiplications a sample",
    place="stage",
    dims=(2,),
)
