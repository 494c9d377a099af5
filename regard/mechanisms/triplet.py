r"""Triplet attention: a spatial gate on each of the three faces of the map, averaged.

.. math::
   Z(x) &= [\max x;\ \mathrm{mean}\ x] \text{ over one axis}, \qquad
   M(x) = \sigma(\mathrm{BN}(\mathrm{conv}_{7\times7}(Z(x)))) \\
   y &= x \cdot \tfrac13 \left(M_{HW}(x) + M_{CW}(x) + M_{HC}(x)\right)

The three gates see channel and width (pooled over height), height and channel (pooled over width),
height and width (pooled over channels): dimensions meet without a bottleneck between them.

Shapes: ``[B, C, H, W]`` → the same. Cost: 3 (2k² + 2) parameters whatever C is, 2k² multiplications
for each place of the three faces.

On two of the faces the channels are an axis of a convolution, so their order matters: channels
that are neighbours are taken together. No rectifier before the σ: a gate may close.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import expect, modulate, squeeze
from ._gate import Sigmoid, StartOption, check_size, zero


class TripletAttention(nn.Module):
    """Triplet attention (Misra et al., arXiv:2010.03045, eq. 1 and 2).

    Args:
        channels: C of the map; no parameter depends on it.
        kernel_size: k, odd; 7 in the paper.
        start: ``paper``: default initialisation and gates σ; ``identity``: zero normalisations and
            gates 2σ.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 7,
        *,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        if check_size(kernel_size, "kernel_size") % 2 == 0:
            raise RegardError(f"kernel_size is {kernel_size}; triplet needs an odd number, 3, 5, …")
        self.cw = Face(kernel_size, start, device, dtype)
        self.hc = Face(kernel_size, start, device, dtype)
        self.hw = Face(kernel_size, start, device, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]``, gated."""
        x = expect(x, 1, self.channels, "triplet", axes=4)
        high, mean = squeeze(x, "height", ("max", "mean"))
        cw = self.cw(high.transpose(1, 2), mean.transpose(1, 2)).transpose(1, 2)
        high, mean = squeeze(x, "width", ("max", "mean"))
        hc = self.hc(high.transpose(1, 3), mean.transpose(1, 3)).transpose(1, 3)
        high, mean = squeeze(x, "channels", ("max", "mean"))
        hw = self.hw(high, mean)
        return modulate(x, hw / 3 + cw / 3 + hc / 3)


class Face(nn.Module):
    """The gate of one face from its maximum and mean: convolution, normalisation, σ."""

    def __init__(
        self,
        kernel_size: int,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            2, 1, kernel_size, padding=kernel_size // 2, bias=False, device=device, dtype=dtype
        )
        self.norm = nn.BatchNorm2d(1, momentum=0.01, device=device, dtype=dtype)
        self.sigmoid = Sigmoid(start)
        if start == "identity":
            zero(self.norm)

    def forward(self, high: Tensor, mean: Tensor) -> Tensor:
        """Two planes ``[B, 1, rows, columns]`` → a gate of the same shape."""
        gate: Tensor = self.sigmoid(self.norm(self.conv(torch.cat([high, mean], 1))))
        return gate


CARD = Card(
    name="triplet",
    title="Triplet attention",
    module=TripletAttention,
    takes="map",
    family=("channel", "spatial"),
    start="gate",
    paper="arXiv:2010.03045",
    year=2021,
    authors="Diganta Misra, Trikay Nalamada, Ajay Uppili Arasanipalai, Qibin Hou",
    bibtex="""@inproceedings{misra2021rotate,
  title     = {Rotate to Attend: Convolutional Triplet Attention Module},
  author    = {Misra, Diganta and Nalamada, Trikay and Arasanipalai, Ajay Uppili and Hou, Qibin},
  booktitle = {WACV},
  year      = {2021}
}""",
    code="https://github.com/landskape-ai/triplet-attention",
    code_licence="MIT",
    aliases=("triplet_attention",),
    variants=("official",),
    parameters="3*(2*kernel_size**2 + 2)",
    complexity="O(k²(HW + CW + HC)) multiplications a sample beside seven passes over the map",
    place="branch",
    dims=(2,),
    options={"kernel_size": 7},
)
