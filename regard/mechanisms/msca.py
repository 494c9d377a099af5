r"""Multi-scale convolutional attention (MSCA, SegNeXt): strips of three lengths make the gate.

.. math::
   u = \mathrm{dw}_{5\times5}(x), \qquad
   y = x \cdot W_{1\times1}\left(u + \textstyle\sum_{k \in \{7, 11, 21\}}
       \mathrm{dw}_{k\times1}\,\mathrm{dw}_{1\times k}(u)\right)

A pair of strips is a large kernel at the cost of its sides; long thin strips fit long thin things.
No σ: the gate is not bounded.

Shapes: ``[B, C, H, W]`` → the same. Cost: C² + 111C parameters, as many multiplications a pixel.
All layers have biases.

Initial values as in the official networks: normal by fan-out, biases zero; ``identity`` sets the
last layer of the gate to the constant one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ..ops import expect, modulate
from ._gate import StartOption, check_size, check_start
from ._large_kernels import fan_out, one

LENGTHS = (7, 11, 21)


class MultiScaleConvolutionalAttention(nn.Module):
    """Multi-scale convolutional attention (Guo et al., arXiv:2209.08575, eq. 1 and 2).

    Args:
        channels: C of the map.
        start: ``paper``, or ``identity``: a gate of one.
    """

    def __init__(
        self,
        channels: int,
        *,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")

        def depthwise(height: int, width: int) -> nn.Conv2d:
            return nn.Conv2d(
                channels, channels, (height, width), padding=(height // 2, width // 2),
                groups=channels, device=device, dtype=dtype,
            )  # fmt: skip

        self.local = depthwise(5, 5)
        self.rows = nn.ModuleList(depthwise(1, k) for k in LENGTHS)
        self.columns = nn.ModuleList(depthwise(k, 1) for k in LENGTHS)
        self.mix = nn.Conv2d(channels, channels, 1, device=device, dtype=dtype)
        fan_out(*(m for m in self.modules() if isinstance(m, nn.Conv2d)))
        if check_start(start) == "identity":
            one(self.mix)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]``, gated."""
        x = expect(x, 1, self.channels, "msca", axes=4)
        local = scales = self.local(x)
        for row, column in zip(self.rows, self.columns, strict=True):
            scales = scales + column(row(local))
        return modulate(x, self.mix(scales))


CARD = Card(
    name="msca",
    title="Multi-scale convolutional attention",
    module=MultiScaleConvolutionalAttention,
    takes="map",
    family=("channel", "spatial"),
    start="gate",
    paper="arXiv:2209.08575",
    year=2022,
    authors="Meng-Hao Guo, Cheng-Ze Lu, Qibin Hou, Zhengning Liu, Ming-Ming Cheng, Shi-Min Hu",
    bibtex="""@inproceedings{guo2022segnext,
  title     = {{SegNeXt}: Rethinking Convolutional Attention Design for Semantic Segmentation},
  author    = {Guo, Meng-Hao and Lu, Cheng-Ze and Hou, Qibin and Liu, Zhengning
               and Cheng, Ming-Ming and Hu, Shi-Min},
  booktitle = {NeurIPS},
  year      = {2022}
}""",
    code="https://github.com/Visual-Attention-Network/SegNeXt",
    code_licence="Apache-2.0",
    aliases=("segnext", "multi_scale_convolutional"),
    variants=("official",),
    parameters="C**2 + 111*C",
    complexity="O((C + 104)·C·HW) multiplications a sample",
    place="branch",
    dims=(2,),
    waives={
        "finite": "the gate has no bound: the product is quadratic, and for numbers of 100 it "
        "passes the end of float16 at 65504"
    },
)
