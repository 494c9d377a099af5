r"""Linear Context Transform: means normalised within groups of channels, then one line a channel.

.. math:: y_c = x_c \cdot \sigma(w_c\, z_c + b_c), \qquad
          z_c = \frac{\mathrm{GAP}(x_c) - \mu_g}{\sqrt{\sigma_g^2 + \epsilon}}

μ and σ² are mean and variance of the means in the group g of channel c; ε = 1e-5.

Shapes: ``[B, C, *space]`` → the same. Cost: 2C parameters, O(C) multiplications a sample, one read
for the means and one for the product.

There is no official code. w = 0 and b = 1 at first, so that the gate begins at σ(1) = 0.731. A
group of one channel would always give z = 0; by default there are 16 groups, or as many as leave
each at least two channels.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import Step, expect, gate
from ._gate import Sigmoid, StartOption, check_size


class LinearContextTransform(nn.Module):
    """Linear Context Transform (Ruan et al., arXiv:1909.03834, section 3).

    Args:
        channels: C of the map.
        groups: a divisor of C; by default the largest of 16, 8, 4, 2, 1 with at least two channels
            a group.
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
        if groups is None:
            groups = math.gcd(16, channels if channels % 2 else channels // 2)
        if channels % check_size(groups, "groups"):
            raise RegardError(f"{groups} groups do not divide {channels} channels evenly")
        if channels == groups:
            raise RegardError(
                f"{groups} groups of {channels} channels have one each, which normalised is zero: "
                f"the gate would be constant; lct needs at least 2 channels in a group"
            )
        self.groups = groups
        self.sigmoid = Sigmoid(start)
        self.weight = nn.Parameter(torch.zeros(channels, device=device, dtype=dtype))
        bias = float(start == "paper")
        self.bias = nn.Parameter(torch.full((channels,), bias, device=device, dtype=dtype))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``x [B, C, *space]``, gated; ``mask`` is boolean ``[B, *space]``, True = real."""
        x = expect(x, 1, self.channels, "lct")
        step = Step("space", ("mean",), self.excite)
        return gate(x, step, mask=mask, spent=True)

    def excite(self, mean: Tensor) -> Tensor:
        """Means ``[B, C, 1, …]`` → gate ``[B, C]``."""
        grouped = mean.flatten(1).unflatten(1, (self.groups, -1))
        z = F.layer_norm(grouped, (self.channels // self.groups,)).flatten(1)
        excited: Tensor = self.sigmoid(self.weight * z + self.bias)
        return excited


CARD = Card(
    name="lct",
    title="Linear Context Transform",
    module=LinearContextTransform,
    takes="map",
    family=("channel",),
    start="gate",
    paper="arXiv:1909.03834",
    year=2020,
    authors="Dongsheng Ruan, Jun Wen, Nenggan Zheng, Min Zheng",
    bibtex="""@inproceedings{ruan2020linear,
  title     = {Linear Context Transform Block},
  author    = {Ruan, Dongsheng and Wen, Jun and Zheng, Nenggan and Zheng, Min},
  booktitle = {AAAI},
  year      = {2020}
}""",
    aliases=("linear_context_transform",),
    parameters="2*C",
    complexity="O(C) multiplications a sample beside two passes over the map",
    dims=(1, 2, 3),
)
