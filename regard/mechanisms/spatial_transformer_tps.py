r"""Spatial Transformer with a thin-plate spline: the map is a thin sheet, moved at control points.

.. math:: \begin{pmatrix} x^s \\ y^s \end{pmatrix} = \begin{pmatrix} x \\ y \end{pmatrix}
          + A \begin{pmatrix} 1 \\ x \\ y \end{pmatrix} + \sum_i w_i\, U(|p - c_i|), \qquad
          U(r) = r^2 \log r^2

The c are a grid of 4 × 4 points on the output; the localisation network says by how much each is
moved, and A and w are those that bend the sheet least: a linear map of the moves, whose matrix is
made once. It interpolates the moves, and moves that are affine give an affine warp.

Coordinates, localisation network and start are those of ``spatial_transformer``. Points are counted
from their identity place, so that the start is exact.

Shapes: ``[B, C, H, W]`` → the same, or ``[B, C, *size]``. Cost: 500 C + 17,132 parameters for 16
points, 32 HW multiplications a sample for the points.

By default no point moves by more than ``bound``; ``variant="paper"`` has no bound. The paper gives
no details but the 16 points; their places are those of the usual reimplementations, which differ
from each other in normalisation and drop the corners' alignment.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

from ..ops import expect
from ..ops.warping import places, sample
from ._gate import StartOption
from .spatial_transformer import CARD as AFFINE
from .spatial_transformer import SpatialTransformer

SIDE = 4


class SplineTransformer(SpatialTransformer):
    """Spatial Transformer with a thin-plate spline (Jaderberg et al., arXiv:1506.02025).

    Args:
        channels: C of the map.
        size: height and width of the output, to crop or enlarge; the input's by default.
        bound: largest move of a control point, unless the variant is ``paper``.
        variant: ``bounded`` or ``paper``, see the top of the file.
        start: both ``paper`` and ``identity`` begin with the identity warp.
    """

    numbers = 2 * SIDE**2
    solution: Tensor

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
        super().__init__(
            channels, size, bound=bound, variant=variant, start=start, device=device, dtype=dtype
        )
        self.register_buffer("solution", solve().to(device, dtype or torch.get_default_dtype()))

    def moves(self, x: Tensor) -> Tensor:
        """By how much the control points are moved, ``[B, 16, 2]``, x first, row by row."""
        return self.regress(x).unflatten(1, (SIDE**2, 2))

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]`` sampled on the bent sheet: ``[B, C, H, W]`` or ``[B, C, *size]``."""
        x = expect(x, 1, self.channels, "spatial_transformer_tps", axes=4)
        height, width = x.shape[2], x.shape[3]
        moves = self.moves(x)
        (along, column), (down, row) = places((height, width), self.size, moves)
        right, lower = spread(moves, self.solution, along, down)
        return sample(x, column + right * ((width - 1) / 2), row + lower * ((height - 1) / 2))


def grid(like: Tensor) -> tuple[Tensor, Tensor]:
    """x and y of the control points, row by row, ``[16]`` each."""
    side = torch.linspace(-1, 1, SIDE, dtype=like.dtype, device=like.device)
    return side.repeat(SIDE), side.repeat_interleave(SIDE)


def basis(x: Tensor, y: Tensor) -> Tensor:
    """The functions whose sum the spline is, at points ``[...]``: ``[..., 19]``.

    r² log(r² / 8) in the place of r² log r²: the weights sum to zero, and so do they times the
    points, so that the spline is the same; but the terms are smaller, and so is their rounding.
    """
    at_x, at_y = grid(x)
    square = (x.unsqueeze(-1) - at_x) ** 2 + (y.unsqueeze(-1) - at_y) ** 2
    plane = torch.stack((torch.ones_like(x), x, y), -1)
    return torch.cat((torch.xlogy(square, square / 8), plane), -1)


def solve() -> Tensor:
    """The matrix ``[19, 16]`` from moves of the control points to weights of the basis."""
    points = SIDE**2
    system = torch.zeros(points + 3, points + 3, dtype=torch.float64, device="cpu")
    system[:points] = basis(*grid(system))
    system[points:, :points] = system[:points, points:].T
    return torch.linalg.inv(system)[:, :points].contiguous()


def spread(moves: Tensor, solution: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Moves ``[B, 16, 2]`` spread over points x ``[w]``, y ``[h, 1]``: two of ``[B, h, w]``."""
    tensors = (moves, solution, x, y)
    if has_torch_function(tensors):
        found: tuple[Tensor, Tensor] = handle_torch_function(spread, tensors, moves, solution, x, y)
        return found
    # Places in pixels need more digits than autocast leaves to products.
    with torch.autocast(x.device.type, enabled=False):
        share = basis(*torch.broadcast_tensors(x, y)) @ solution.to(x.dtype)
        right, lower = torch.einsum("hwp,bpc->cbhw", share, moves.to(x.dtype)).unbind(0)
    return right, lower


CARD = replace(
    AFFINE,
    name="spatial_transformer_tps",
    title="Spatial Transformer (thin-plate spline)",
    module=SplineTransformer,
    aliases=("stn_tps", "tps", "thin_plate_spline"),
    parameters="500*C + 17132",
    complexity="O(C·HW) multiplications a sample to localise, 32 HW for the points",
)
