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
"""

from __future__ import annotations

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
        self.shift = nn.Linear(FILTERS, 6, device=device, dtype=dtype)
        nn.init.zeros_(self.shift.weight)
        nn.init.zeros_(self.shift.bias)

    def theta(self, x: Tensor) -> Tensor:
        """The affine map ``[B, 2, 3]`` from output to input coordinates."""
        features = torch.relu(self.conv1(F.max_pool2d(x, 2, ceil_mode=True)))
        features = torch.relu(self.conv2(F.max_pool2d(features, 2, ceil_mode=True)))
        cells = cell_means(features, CELLS).flatten(1)
        shift = self.shift(torch.relu(self.hidden(cells))).unflatten(1, (2, 3))
        if self.bound is not None:
            shift = self.bound * torch.tanh(shift / self.bound)
        return shift + torch.eye(2, 3, dtype=shift.dtype, device=shift.device)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]`` sampled where θ says: ``[B, C, H, W]`` or ``[B, C, *size]``."""
        x = expect(x, 1, self.channels, "spatial_transformer", axes=4)
        return warp(x, self.theta(x), self.size)


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
