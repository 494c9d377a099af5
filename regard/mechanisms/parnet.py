r"""ParNet attention: squeeze and excitation on the skip of a block with two convolutions beside it.

.. math::
   s &= \mathrm{BN}(x), \qquad
   y = \mathrm{SiLU}\left(\mathrm{BN}(W_{3\times3}\, x) + \mathrm{BN}(W_{1\times1}\, x)
       + s \cdot \sigma(W\,\mathrm{GAP}(s))\right)

A shallow network cannot add an excitation to a branch without making it deeper; on the skip it
costs no depth. After training, the convolutions fold into one, as in RepVGG.

Shapes: ``[B, C, H, W]`` → the same. Cost: 11C² + 6C parameters, 10C² multiplications a pixel.

The excitation is one layer without reduction or bias. It is the official block of stride one: the
BatchNorm of the skip comes before the excitation. (Collections that put the excitation on x itself,
with a bias, are another function.)
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cards import Card
from ..ops import Step, expect, gate
from ._gate import StartOption, adds_input, check_size, check_start, zero


class ParNetAttention(nn.Module):
    """The block of ParNet (Goyal et al., arXiv:2110.07641, section 3.1).

    Args:
        channels: C of the map.
        residual: add the map to the result; by default only at an identity start.
        start: ``paper``, or ``identity``: zero normalisations, and the map is added.
    """

    def __init__(
        self,
        channels: int,
        *,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.dense = nn.Conv2d(channels, channels, 3, padding=1, bias=False, **made)
        self.dense_norm = nn.BatchNorm2d(channels, **made)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False, **made)
        self.pointwise_norm = nn.BatchNorm2d(channels, **made)
        self.skip_norm = nn.BatchNorm2d(channels, **made)
        self.weigh = nn.Linear(channels, channels, bias=False, **made)
        if check_start(start) == "identity":
            zero(self.dense_norm, self.pointwise_norm, self.skip_norm)
        self.residual = adds_input(start, residual)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]`` through the three branches."""
        x = expect(x, 1, self.channels, "parnet", axes=4)
        dense = self.dense_norm(self.dense(x))
        pointwise = self.pointwise_norm(self.pointwise(x))
        skip = gate(self.skip_norm(x), Step("space", ("mean",), self.excite), spent=True)
        out = F.silu(dense + pointwise + skip)
        return x + out if self.residual else out

    def excite(self, mean: Tensor) -> Tensor:
        """Means ``[B, C, 1, 1]`` → gate ``[B, C]``."""
        return torch.sigmoid(self.weigh(mean.flatten(1)))


CARD = Card(
    name="parnet",
    title="ParNet attention",
    module=ParNetAttention,
    takes="map",
    family=("channel",),
    start="residual",
    paper="arXiv:2110.07641",
    year=2021,
    authors="Ankit Goyal, Alexey Bochkovskiy, Jia Deng, Vladlen Koltun",
    bibtex="""@article{goyal2021nondeep,
  title   = {Non-deep Networks},
  author  = {Goyal, Ankit and Bochkovskiy, Alexey and Deng, Jia and Koltun, Vladlen},
  journal = {arXiv preprint arXiv:2110.07641},
  year    = {2021}
}""",
    code="https://github.com/imankgoyal/NonDeepNetworks",
    code_licence="BSD-3-Clause",
    aliases=("parnet_attention", "skip_squeeze_excitation"),
    variants=("official",),
    parameters="11*C**2 + 6*C",
    complexity="O(C²·HW) multiplications a sample, those of a 3×3 and a 1×1 convolution",
    place="branch",
    dims=(2,),
)
