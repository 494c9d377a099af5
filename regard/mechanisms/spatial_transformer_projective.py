r"""Spatial Transformer with a projective map: a plane seen from any side.

.. math:: x^s = \frac{\theta_{11} x + \theta_{12} y + \theta_{13}}{1 + g x + h y}, \qquad
          y^s = \frac{\theta_{21} x + \theta_{22} y + \theta_{23}}{1 + g x + h y}

Coordinates, localisation network and start are those of ``spatial_transformer``; eight numbers are
regressed. Points are counted from their identity place, so that the start is exact.

Shapes: ``[B, C, H, W]`` → the same, or ``[B, C, *size]``. Cost: 500 C + 16,628 parameters.

By default θ keeps within ``bound`` of the identity, and g and h each within half of it, at most
0.45: the denominator stays at 0.1 or above and no point of the frame lies at infinity.
``variant="paper"`` has no bound.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..ops import expect
from ..ops.warping import places, sample
from .spatial_transformer import CARD as AFFINE
from .spatial_transformer import SpatialTransformer


class ProjectiveTransformer(SpatialTransformer):
    """Spatial Transformer with a plane projective map (Jaderberg et al., arXiv:1506.02025).

    Args:
        channels: C of the map.
        size: height and width of the output, to crop or enlarge; the input's by default.
        bound: largest distance of an entry of θ from the identity, unless the variant is ``paper``.
        variant: ``bounded`` or ``paper``, see the top of the file.
        start: both ``paper`` and ``identity`` begin with the identity warp.
    """

    numbers = 8

    def limit(self, shift: Tensor, bound: float) -> Tensor:
        """The numbers kept within the bound, those of the denominator so that it is positive."""
        least = min(bound, 0.9) / 2
        affine, depth = shift[:, :6], shift[:, 6:]
        return torch.cat((super().limit(affine, bound), super().limit(depth, least)), 1)

    def theta(self, x: Tensor) -> Tensor:
        """The projective map ``[B, 3, 3]`` from output to input coordinates."""
        shift = torch.nn.functional.pad(self.regress(x), (0, 1)).unflatten(1, (3, 3))
        return shift + torch.eye(3, dtype=shift.dtype, device=shift.device)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]`` sampled where θ says: ``[B, C, H, W]`` or ``[B, C, *size]``."""
        x = expect(x, 1, self.channels, "spatial_transformer_projective", axes=4)
        height, width = x.shape[2], x.shape[3]
        shift = self.regress(x)
        (along, column), (down, row) = places((height, width), self.size, shift)
        a = shift[:, :, None, None]
        depth = a[:, 6] * along + a[:, 7] * down
        right = (a[:, 0] * along + a[:, 1] * down + a[:, 2] - along * depth) / (1 + depth)
        lower = (a[:, 3] * along + a[:, 4] * down + a[:, 5] - down * depth) / (1 + depth)
        return sample(x, column + right * ((width - 1) / 2), row + lower * ((height - 1) / 2))


CARD = replace(
    AFFINE,
    name="spatial_transformer_projective",
    title="Spatial Transformer (projective)",
    module=ProjectiveTransformer,
    aliases=("stn_projective",),
    parameters="500*C + 16628",
)
