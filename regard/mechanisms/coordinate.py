r"""Coordinate attention: one gate for each row and one for each column, of every channel.

.. math::
   [f^h; f^w] &= \delta(\mathrm{BN}(W_1 [\mathrm{mean}_w x;\ \mathrm{mean}_h x])) \\
   y &= x \cdot \sigma(W_h f^h) \cdot \sigma(W_w f^w), \qquad \delta = \text{h-swish}

Means of rows and columns keep the place that a global mean loses; together the two gates mark a
spot.

Shapes: ``[B, C, H, W]`` → the same. Cost: 3Cm + 3m + 2C parameters with m = max(8, C // r), 3Cm
multiplications for each row and column.

Rows and columns are one sequence of H + W in the hidden layer: in training its BatchNorm counts
both. As in the official code, the hidden width has a floor of 8 and all three layers have biases.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cards import Card
from ..ops import expect, modulate, squeeze
from ._gate import Sigmoid, StartOption, check_size, zero

FLOOR = 8


class CoordinateAttention(nn.Module):
    """Coordinate attention (Hou et al., arXiv:2103.02907, eq. 4 to 9).

    Args:
        channels: C of the map.
        reduction: r; the hidden layer has max(8, C // r) units.
        start: ``paper``: default initialisation and gates σ; ``identity``: zero last layers and
            gates 2σ.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 32,
        *,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        hidden = max(FLOOR, channels // check_size(reduction, "reduction"))
        self.reduce = nn.Conv2d(channels, hidden, 1, device=device, dtype=dtype)
        self.norm = nn.BatchNorm2d(hidden, device=device, dtype=dtype)
        self.expand_height = nn.Conv2d(hidden, channels, 1, device=device, dtype=dtype)
        self.expand_width = nn.Conv2d(hidden, channels, 1, device=device, dtype=dtype)
        self.sigmoid = Sigmoid(start)
        if start == "identity":
            zero(self.expand_height, self.expand_width)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]``, gated."""
        x = expect(x, 1, self.channels, "coordinate", axes=4)
        (rows,) = squeeze(x, "width", ("mean",))
        (columns,) = squeeze(x, "height", ("mean",))
        strip = torch.cat([rows, columns.transpose(2, 3)], 2)
        hidden = F.hardswish(self.norm(self.reduce(strip)))
        height = x.shape[2]
        gate_height = self.sigmoid(self.expand_height(hidden[:, :, :height]))
        gate_width = self.sigmoid(self.expand_width(hidden[:, :, height:].transpose(2, 3)))
        return modulate(x, gate_width, gate_height)


CARD = Card(
    name="coordinate",
    title="Coordinate attention",
    module=CoordinateAttention,
    takes="map",
    family=("channel", "spatial"),
    start="gate",
    paper="arXiv:2103.02907",
    year=2021,
    authors="Qibin Hou, Daquan Zhou, Jiashi Feng",
    bibtex="""@inproceedings{hou2021coordinate,
  title     = {Coordinate Attention for Efficient Mobile Network Design},
  author    = {Hou, Qibin and Zhou, Daquan and Feng, Jiashi},
  booktitle = {CVPR},
  year      = {2021}
}""",
    code="https://github.com/houqb/CoordAttention",
    code_licence="MIT",
    aliases=("coord", "ca", "coordatt", "coordinate_attention"),
    variants=("official",),
    parameters="3*C*max(8, C//reduction) + 3*max(8, C//reduction) + 2*C",
    complexity="O(C²/r·(H + W)) multiplications a sample beside three passes over the map",
    place="branch",
    dims=(2,),
    options={"reduction": 32},
)
