r"""Strip pooling: rows and columns, averaged over their whole length, tell each pixel its worth.

.. math::
   u_{ij} &= \mathrm{BN}(\mathrm{conv}_{3}(\mathrm{mean}_w x))_i
           + \mathrm{BN}(\mathrm{conv}_{3}(\mathrm{mean}_h x))_j \\
   y &= x \cdot \sigma(W\,\mathrm{relu}(u) + b)

A pixel is joined with all that lie in its row and its column: long, narrow things are seen whole
where a square window would bring in what lies beside them.

Shapes: ``[B, C, H, W]`` → the same. Cost: 7C² + 7C parameters, C² multiplications a pixel.

This is the paper's strip pooling module as the official code has it: biases beside the BatchNorms
and a ReLU on the sum. There it stands after the second convolution of a bottleneck.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..cards import Card
from ..ops import expect, modulate, squeeze
from ._gate import Sigmoid, StartOption, check_size, zero


class StripPooling(nn.Module):
    """Strip pooling module (Hou et al., arXiv:2003.13328, eq. 3 to 6).

    Args:
        channels: C of the map.
        start: ``paper``: default initialisation and gate σ; ``identity``: a zero last layer and 2σ.
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
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.rows = nn.Conv2d(channels, channels, (3, 1), padding=(1, 0), **made)
        self.rows_norm = nn.BatchNorm2d(channels, **made)
        self.columns = nn.Conv2d(channels, channels, (1, 3), padding=(0, 1), **made)
        self.columns_norm = nn.BatchNorm2d(channels, **made)
        self.mix = nn.Conv2d(channels, channels, 1, **made)
        self.sigmoid = Sigmoid(start)
        if start == "identity":
            zero(self.mix)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]``, gated."""
        x = expect(x, 1, self.channels, "strip_pooling", axes=4)
        (rows,) = squeeze(x, "width", ("mean",))
        (columns,) = squeeze(x, "height", ("mean",))
        cross = self.rows_norm(self.rows(rows)) + self.columns_norm(self.columns(columns))
        return modulate(x, self.sigmoid(self.mix(torch.relu(cross))))


CARD = Card(
    name="strip_pooling",
    title="Strip pooling",
    module=StripPooling,
    takes="map",
    family=("channel", "spatial"),
    start="gate",
    paper="arXiv:2003.13328",
    year=2020,
    authors="Qibin Hou, Li Zhang, Ming-Ming Cheng, Jiashi Feng",
    bibtex="""@inproceedings{hou2020strip,
  title     = {Strip Pooling: Rethinking Spatial Pooling for Scene Parsing},
  author    = {Hou, Qibin and Zhang, Li and Cheng, Ming-Ming and Feng, Jiashi},
  booktitle = {CVPR},
  year      = {2020}
}""",
    code="https://github.com/houqb/SPNet",
    code_licence="MIT",
    aliases=("strip", "spm", "spnet"),
    variants=("official",),
    parameters="7*C**2 + 7*C",
    complexity="O(C²·HW) multiplications a sample",
    place="branch",
    dims=(2,),
)
