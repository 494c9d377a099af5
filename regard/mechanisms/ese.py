r"""Effective Squeeze-Excitation: one layer in the place of two, so that no channel is lost.

.. math:: y = x \cdot \mathrm{hsigmoid}(W\,\mathrm{GAP}(x) + b), \qquad
          \mathrm{hsigmoid}(z) = \tfrac16 \min(\max(z + 3, 0), 6)

Shapes: ``[B, C, *space]`` → the same. Cost: C² + C parameters, C² multiplications a sample, one
read for the mean and one for the product.

The paper draws a sigmoid; the official code has the hard sigmoid, and so have we. Its layer has a
bias, and W starts as VoVNet's convolutions do (He et al., normal).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cards import Card
from ..ops import Step, expect, gate
from ._gate import StartOption, check_size, check_start, check_variant, zero

VARIANTS = ("official", "paper")


class EffectiveSqueezeExcitation(nn.Module):
    """Effective Squeeze-Excitation (Lee and Park, arXiv:1911.06667, eq. 2 and 3).

    Args:
        channels: C of the map.
        variant: ``official``: hard sigmoid; ``paper``: sigmoid.
        start: ``paper``, or ``identity``: a zero layer and twice the gate, which is one at zero.
    """

    def __init__(
        self,
        channels: int,
        *,
        variant: str = "official",
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        self.hard = check_variant(variant, VARIANTS) == "official"
        self.top = 2.0 if check_start(start) == "identity" else 1.0
        self.excitation = nn.Linear(channels, channels, device=device, dtype=dtype)
        nn.init.kaiming_normal_(self.excitation.weight)
        if start == "identity":
            zero(self.excitation)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``x [B, C, *space]``, gated; ``mask`` is boolean ``[B, *space]``, True = real."""
        x = expect(x, 1, self.channels, "ese")
        step = Step("space", ("mean",), self.excite)
        return gate(x, step, mask=mask, spent=True)

    def excite(self, mean: Tensor) -> Tensor:
        """Means ``[B, C, 1, …]`` → gate ``[B, C]``."""
        logits = self.excitation(mean.flatten(1))
        return self.top * (F.hardsigmoid(logits) if self.hard else torch.sigmoid(logits))


CARD = Card(
    name="ese",
    title="Effective Squeeze-Excitation",
    module=EffectiveSqueezeExcitation,
    takes="map",
    family=("channel",),
    start="gate",
    paper="arXiv:1911.06667",
    year=2020,
    authors="Youngwan Lee, Jongyoul Park",
    bibtex="""@inproceedings{lee2020centermask,
  title     = {{CenterMask}: Real-Time Anchor-Free Instance Segmentation},
  author    = {Lee, Youngwan and Park, Jongyoul},
  booktitle = {CVPR},
  year      = {2020}
}""",
    code="https://github.com/youngwanLEE/vovnet-detectron2",
    aliases=("effective_se", "effective_squeeze_excitation"),
    variants=VARIANTS,
    parameters="C**2 + C",
    complexity="O(C²) multiplications a sample beside two passes over the map",
    dims=(1, 2, 3),
)
