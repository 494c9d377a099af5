r"""Global attention mechanism (GAM): a gate for every value, from its channels, then from space.

.. math::
   x' &= x \cdot \mathrm{MLP}(x), \qquad
   y = x' \cdot \sigma(\mathrm{BN}(\mathrm{conv}_{7\times7}(\mathrm{relu}(\mathrm{BN}(
       \mathrm{conv}_{7\times7}(x'))))))

Nothing is pooled: the MLP works on the channels of each pixel, the two convolutions on whole
neighbourhoods. That keeps what pooling loses and costs accordingly.

Shapes: ``[B, C, H, W]`` → the same. Cost: 100 C²/r + … parameters and as many multiplications a
pixel: with r = 4 nearly three 3×3 convolutions.

There is no first-party code. ``listing`` (default) is the code in circulation, which has no σ after
the MLP; ``paper`` has one there, as the paper draws the channel half. With ``groups`` the
convolutions are grouped and the gate's channels shuffled, the paper's way to make it affordable.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..cards import Card
from ..ops import expect, modulate
from ._gate import Sigmoid, StartOption, check_size, check_variant, zero
from ._group_norm import check_divides
from .sa_net import shuffled

VARIANTS = ("listing", "paper")


class GlobalAttentionMechanism(nn.Module):
    """Global attention mechanism (Liu et al., arXiv:2112.05561, eq. 1 and 2).

    Args:
        channels: C of the map.
        reduction: r; both hidden layers have max(1, C // r) units.
        groups: of both convolutions, dividing C and the hidden layer.
        variant: ``listing`` or ``paper``, see the top of the file.
        start: ``paper``: default initialisation; ``identity``: both gates begin at one.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 4,
        *,
        groups: int = 1,
        variant: str = "listing",
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        hidden = max(1, channels // check_size(reduction, "reduction"))
        self.groups = check_divides(channels, check_size(groups, "groups"), "groups")
        check_divides(hidden, groups, "groups")
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.reduce = nn.Linear(channels, hidden, **made)
        self.expand = nn.Linear(hidden, channels, **made)
        self.squeeze = nn.Conv2d(channels, hidden, 7, padding=3, groups=groups, **made)
        self.squeeze_norm = nn.BatchNorm2d(hidden, **made)
        self.spread = nn.Conv2d(hidden, channels, 7, padding=3, groups=groups, **made)
        self.spread_norm = nn.BatchNorm2d(channels, **made)
        self.bounded = check_variant(variant, VARIANTS) == "paper"
        self.sigmoid = Sigmoid(start)
        if start == "identity":
            zero(self.expand, self.spread_norm)
            if not self.bounded:
                nn.init.ones_(self.expand.bias)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]``, gated by its channels and the result by space."""
        x = expect(x, 1, self.channels, "gam", axes=4)
        x = modulate(x, self.over_channels(x))
        return modulate(x, self.over_space(x))

    def over_channels(self, x: Tensor) -> Tensor:
        """The first gate ``[B, C, H, W]``: each pixel's channels through the MLP."""
        hidden = torch.relu(self.reduce(x.permute(0, 2, 3, 1)))
        gate: Tensor = self.expand(hidden).permute(0, 3, 1, 2)
        return self.sigmoid(gate) if self.bounded else gate

    def over_space(self, x: Tensor) -> Tensor:
        """The second gate ``[B, C, H, W]``."""
        hidden = torch.relu(self.squeeze_norm(self.squeeze(x)))
        gate: Tensor = self.sigmoid(self.spread_norm(self.spread(hidden)))
        return gate if self.groups == 1 else shuffled(gate, self.groups)


CARD = Card(
    name="gam",
    title="Global attention mechanism",
    module=GlobalAttentionMechanism,
    takes="map",
    family=("channel", "spatial"),
    start="gate",
    paper="arXiv:2112.05561",
    year=2021,
    authors="Yichao Liu, Zongru Shao, Nico Hoffmann",
    bibtex="""@article{liu2021global,
  title   = {Global Attention Mechanism: Retain Information to Enhance Channel-Spatial
             Interactions},
  author  = {Liu, Yichao and Shao, Zongru and Hoffmann, Nico},
  journal = {arXiv preprint arXiv:2112.05561},
  year    = {2021}
}""",
    aliases=("global_attention",),
    variants=VARIANTS,
    parameters="2*C*max(1, C//reduction) + 98*C*max(1, C//reduction)//groups"
    " + 4*max(1, C//reduction) + 4*C",
    complexity="O(C²/r·49·HW) multiplications a sample",
    place="branch",
    dims=(2,),
    options={"reduction": 4, "groups": 1},
)
