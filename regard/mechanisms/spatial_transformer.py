r"""Spatial Transformer: find where to look, then sample the map there.

.. math::
   \theta = f_{loc}(x), \qquad
   \binom{x^s}{y^s} = \theta \begin{pmatrix} x^t \\ y^t \\ 1 \end{pmatrix}, \qquad
   y_{ij} = \sum_{nm} x_{nm} \max(0, 1-|x^s_{ij}-m|) \max(0, 1-|y^s_{ij}-n|)

Coordinates run from -1 to 1 between the centres of the corner pixels; outside the frame is zero.
The last layer starts at zero weight and the identity as bias: the start is the identity warp.

Shapes: ``[B, C, H, W]`` → the same, or ``[B, C, *size]``. Cost: 500 C + 16,586 parameters, about
(125 C + 2500) HW / 4 multiplications a sample in the localisation network.

The localisation network is the paper's for maps (max pool, 20 filters 5×5, max pool, 20 filters
5×5, 20 hidden units), with two changes. Before the hidden units the map is averaged over a grid of
4×4 cells, so that any size will do; the averages are matrix products, deterministic in backward.
And by default θ is kept within ``bound`` of the identity, θ = I + b·tanh(Δ / b), because an
unbounded regression can send every sample outside the frame, where no gradient brings it back;
``variant="paper"`` regresses θ without a bound.

``spatial_transformer_attention`` is the paper's restricted form: θ scales by s and moves by t only,
so that it crops and enlarges, but neither turns nor shears.

.. math:: \theta = \begin{pmatrix} s & 0 & t_x \\ 0 & s & t_y \end{pmatrix}
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import expect, warp
from ._gate import StartOption, check_size, check_start, check_variant

VARIANTS = ("bounded", "paper")
FILTERS = 20
CELLS = 4


class SpatialTransformer(nn.Module):
    """Spatial Transformer with an affine grid (Jaderberg et al., arXiv:1506.02025, eq. 1 and 5).

    Args:
        channels: C of the map.
        size: height and width of the output, to crop or enlarge; the input's by default.
        bound: largest distance of an entry of θ from the identity, unless the variant is ``paper``.
        variant: ``bounded`` or ``paper``, see the top of the file.
        start: both ``paper`` and ``identity`` begin with the identity warp.
    """

    numbers: ClassVar[int] = 6
    """How many numbers the localisation network gives."""

    def __init__(
        self,
        channels: int,
        size: tuple[int, int] | int | None = None,
        *,
        bound: float = 1.0,
        variant: str = "bounded",
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        self.size = check_pair(size)
        if bound <= 0:
            raise RegardError(f"bound is {bound}; it must be above zero")
        self.bound = None if check_variant(variant, VARIANTS) == "paper" else bound
        check_start(start)
        self.conv1 = nn.Conv2d(channels, FILTERS, 5, padding=2, device=device, dtype=dtype)
        self.conv2 = nn.Conv2d(FILTERS, FILTERS, 5, padding=2, device=device, dtype=dtype)
        self.hidden = nn.Linear(FILTERS * CELLS**2, FILTERS, device=device, dtype=dtype)
        self.shift = nn.Linear(FILTERS, self.numbers, device=device, dtype=dtype)
        nn.init.zeros_(self.shift.weight)
        nn.init.zeros_(self.shift.bias)

    def regress(self, x: Tensor) -> Tensor:
        """What the localisation network gives, ``[B, n]``; zero is the identity."""
        features = torch.relu(self.conv1(F.max_pool2d(x, 2, ceil_mode=True)))
        features = torch.relu(self.conv2(F.max_pool2d(features, 2, ceil_mode=True)))
        cells = cell_means(features, CELLS).flatten(1)
        shift: Tensor = self.shift(torch.relu(self.hidden(cells)))
        return shift if self.bound is None else self.limit(shift, self.bound)

    def limit(self, shift: Tensor, bound: float) -> Tensor:
        """The numbers kept within the bound."""
        return bound * torch.tanh(shift / bound)

    def theta(self, x: Tensor) -> Tensor:
        """The affine map ``[B, 2, 3]`` from output to input coordinates."""
        shift = self.regress(x).unflatten(1, (2, 3))
        return shift + torch.eye(2, 3, dtype=shift.dtype, device=shift.device)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]`` sampled where θ says: ``[B, C, H, W]`` or ``[B, C, *size]``."""
        x = expect(x, 1, self.channels, "spatial_transformer", axes=4)
        return warp(x, self.theta(x), self.size)


class AttentionTransformer(SpatialTransformer):
    """Spatial Transformer that scales and moves (Jaderberg et al., arXiv:1506.02025, eq. 2)."""

    numbers = 3

    def theta(self, x: Tensor) -> Tensor:
        """The affine map ``[B, 2, 3]`` of one scale and two moves."""
        scale, move_x, move_y = self.regress(x).unsqueeze(2).unbind(1)
        none = torch.zeros_like(scale)
        shift = torch.cat((scale, none, move_x, none, scale, move_y), 1).unflatten(1, (2, 3))
        return shift + torch.eye(2, 3, dtype=shift.dtype, device=shift.device)


def check_pair(size: tuple[int, int] | int | None) -> tuple[int, int] | None:
    """Height and width of the output; one number is both."""
    if size is None:
        return None
    pair = (size, size) if isinstance(size, int) else tuple(size)
    if len(pair) != 2:
        raise RegardError(f"size is {size!r}; it must be a height and a width, or one number")
    return check_size(pair[0], "size"), check_size(pair[1], "size")


def cell_means(x: Tensor, cells: int) -> Tensor:
    """Means of a map ``[B, C, H, W]`` over a grid of equal cells, any size: ``[B, C, g, g]``.

    A pixel on a border counts for both cells by the share of it that lies in each.
    """
    rows = _shares(x.shape[2], cells, x)
    columns = _shares(x.shape[3], cells, x)
    across = F.linear(x.contiguous(), columns).transpose(2, 3)
    return F.linear(across.contiguous(), rows).transpose(2, 3)


def _shares(size: int, cells: int, like: Tensor) -> Tensor:
    """Matrix ``[cells, size]`` that averages ``size`` pixels into cells; rows sum to one."""
    pixel = torch.arange(size, device=like.device, dtype=torch.float32)
    edge = torch.arange(cells + 1, device=like.device, dtype=torch.float32) * (size / cells)
    low = torch.maximum(pixel, edge[:-1, None])
    high = torch.minimum(pixel + 1, edge[1:, None])
    return ((high - low).clamp(min=0) * (cells / size)).to(like.dtype)


CARD = Card(
    name="spatial_transformer",
    title="Spatial Transformer (affine)",
    module=SpatialTransformer,
    takes="map",
    family=("spatial",),
    start="theta",
    paper="arXiv:1506.02025",
    year=2015,
    authors="Max Jaderberg, Karen Simonyan, Andrew Zisserman, Koray Kavukcuoglu",
    bibtex="""@inproceedings{jaderberg2015spatial,
  title     = {Spatial Transformer Networks},
  author    = {Jaderberg, Max and Simonyan, Karen and Zisserman, Andrew and Kavukcuoglu, Koray},
  booktitle = {NIPS},
  year      = {2015}
}""",
    aliases=("stn", "spatial_transformer_affine"),
    variants=VARIANTS,
    parameters="500*C + 16586",
    complexity="O(C·HW) multiplications a sample for the localisation network, one sampling pass",
    place="input",
    before=True,
    dims=(2,),
)
CARDS = (
    CARD,
    replace(
        CARD,
        name="spatial_transformer_attention",
        title="Spatial Transformer (scale and translation)",
        module=AttentionTransformer,
        aliases=("stn_attention",),
        parameters="500*C + 16523",
    ),
)
