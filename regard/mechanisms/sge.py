r"""Spatial Group-wise Enhance: in each group of channels, places that are like the mean count more.

.. math::
   s_{gi} &= x_{gi} \cdot \mathrm{GAP}(x_g), \qquad
   t_{gi} = \frac{s_{gi} - \mathrm{mean}_i\, s_g}{\mathrm{std}_i\, s_g + 10^{-5}} \\
   y_{gi} &= x_{gi}\,\sigma(w_g\, t_{gi} + b_g)

Shapes: ``[B, C, *space]`` → the same. Cost: 2G parameters, O(CHW) multiplications a sample.

As in the official code the deviation is the unbiased one, w = 0 and b = 1 at first (a gate of
σ(1) = 0.731), and there are 64 groups; where these do not divide C, as many of them as do. A map
of a single place has no deviation, and the official code's NaN is t = 0 here.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import expect, modulate, squeeze
from ._gate import Sigmoid, StartOption, check_size
from ._spread import deviation


class SpatialGroupEnhance(nn.Module):
    """Spatial Group-wise Enhance (Li et al., arXiv:1905.09646, section 3).

    Args:
        channels: C of the map.
        groups: G, a divisor of C; by default the greatest that C and 64 have in common.
        start: ``paper``, or ``identity``: w = b = 0 and gate 2σ.
    """

    def __init__(
        self,
        channels: int,
        groups: int | None = None,
        *,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        self.groups = math.gcd(64, channels) if groups is None else check_size(groups, "groups")
        if channels % self.groups:
            raise RegardError(f"{self.groups} groups do not divide {channels} channels evenly")
        self.sigmoid = Sigmoid(start)
        self.weight = nn.Parameter(torch.zeros(self.groups, device=device, dtype=dtype))
        bias = float(start == "paper")
        self.bias = nn.Parameter(torch.full((self.groups,), bias, device=device, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]``, gated at each place of each group."""
        x = expect(x, 1, self.channels, "sge")
        grouped = x.unflatten(1, (self.groups, -1))
        (mean,) = squeeze(x, "space")
        likeness = (grouped * mean.unflatten(1, (self.groups, -1))).sum(2, keepdim=True)
        gate = self.excite(likeness.flatten(2)).reshape(likeness.shape)
        return modulate(grouped, gate).flatten(1, 2)

    def excite(self, likeness: Tensor) -> Tensor:
        """Products with the mean, ``[B, G, places]`` → gate of the same shape."""
        shift = likeness - likeness.mean(2, keepdim=True)
        normal = shift / (deviation(shift) + 1e-5)
        excited: Tensor = self.sigmoid(self.weight.unsqueeze(1) * normal + self.bias.unsqueeze(1))
        return excited


CARD = Card(
    name="sge",
    title="Spatial Group-wise Enhance",
    module=SpatialGroupEnhance,
    takes="map",
    family=("spatial",),
    start="gate",
    paper="arXiv:1905.09646",
    year=2019,
    authors="Xiang Li, Xiaolin Hu, Jian Yang",
    bibtex="""@article{li2019spatial,
  title   = {Spatial Group-wise Enhance: Improving Semantic Feature Learning in Convolutional
             Networks},
  author  = {Li, Xiang and Hu, Xiaolin and Yang, Jian},
  journal = {arXiv preprint arXiv:1905.09646},
  year    = {2019}
}""",
    code="https://github.com/implus/PytorchInsight",
    code_licence="no licence",
    aliases=("spatial_group_enhance",),
    variants=("official",),
    parameters="2*gcd(64, C)",
    complexity="O(CHW) multiplications a sample: four passes over the map",
    dims=(1, 2, 3),
)
