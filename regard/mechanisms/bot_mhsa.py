r"""Self-attention of the Bottleneck Transformer: all pixels over all, with relative positions.

.. math::
   y_i = \sum_j \mathrm{softmax}_j\Bigl(\tfrac{q_i}{\sqrt{d}} \cdot
         (k_j + r^h_{row(j) - row(i)} + r^w_{col(j) - col(i)})\Bigr)\, v_j

In the paper it replaces the 3×3 convolution of the last bottlenecks of a ResNet.

Shapes: ``[B, C, H, W]`` → the same; h must divide C. Cost: 3C² + 2(H + W − 1)C/h parameters, about
3C²·HW + 2C·(HW)² multiplications a sample, and hB(HW)² numbers in memory for the positions.

As the authors' code: no biases, no output projection, four heads, both terms scaled, projections of
standard deviation 0.01. Its tables are drawn with mean and deviation mixed up, as it says itself;
here they have the intended deviation 1/√d.

The tables belong to maps of ``size``. Other sizes work by one rule: an offset that the table holds
takes its entry, so that a smaller map uses the middle of the tables; a larger one takes the
outermost entry for all offsets beyond. The identity start adds the input and sets W_v to zero.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ..ops import attend, expect
from ._core import owned
from ._gate import StartOption, adds_input, check_size, check_start, zero
from ._pixels import project
from ._relative import offsets, relative_logits
from .multihead import check_heads


class BottleneckAttention(nn.Module):
    """Multi-head self-attention of BoTNet (Srinivas et al., arXiv:2101.11605, figure 4).

    Args:
        channels: C of the map.
        heads: h.
        size: height and width the tables are made for; one number is both.
        residual: add the input to the result; by default only at an identity start.
        start: ``paper``, or ``identity``: W_v zero, the input added.
    """

    def __init__(
        self,
        channels: int,
        heads: int = 4,
        size: int | tuple[int, int] = 14,
        *,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.heads = check_size(channels, "channels"), check_heads(channels, heads)
        height, width = size if isinstance(size, tuple) and len(size) == 2 else (size, size)
        head = channels // heads
        self.query, self.key, self.value = (
            nn.Conv2d(channels, channels, 1, bias=False, device=device, dtype=dtype)
            for _ in range(3)
        )
        self.rows, self.columns = (
            nn.Parameter(
                torch.empty(2 * check_size(n, "size") - 1, head, device=device, dtype=dtype)
            )
            for n in (height, width)
        )
        for layer in (self.query, self.key, self.value):
            nn.init.normal_(layer.weight, std=0.01)
        for table in (self.rows, self.columns):
            nn.init.normal_(table, std=head**-0.5)
        self.residual = adds_input(start, residual)
        if check_start(start) == "identity":
            zero(self.value)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]`` → what each pixel gathers from all, of the same shape."""
        x = expect(x, 1, self.channels, "bot_mhsa", axes=4)
        query, key, value = (
            project(x, layer).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        bias = self.positions(query.unflatten(2, x.shape[2:]))
        gathered = attend(query, key, value, bias=bias)
        out = gathered.transpose(2, 3).contiguous().view(x.shape)
        return x + out if self.residual else owned(out)

    def positions(self, query: Tensor) -> Tensor:
        """Logits of the positions for queries ``[B, h, H, W, d]``: ``[B, h, H·W, H·W]``."""
        height, width = query.shape[2], query.shape[3]
        scaled = query * (self.channels // self.heads) ** -0.5
        rows, columns = offsets(self.rows, height, height), offsets(self.columns, width, width)
        return relative_logits(scaled, rows, columns)


CARD = Card(
    name="bot_mhsa",
    title="Bottleneck Transformer self-attention",
    module=BottleneckAttention,
    takes="map",
    family=("spatial",),
    start="residual",
    paper="arXiv:2101.11605",
    year=2021,
    authors="Aravind Srinivas, Tsung-Yi Lin, Niki Parmar, Jonathon Shlens, Pieter Abbeel, "
    "Ashish Vaswani",
    bibtex="""@inproceedings{srinivas2021bottleneck,
  title     = {Bottleneck Transformers for Visual Recognition},
  author    = {Srinivas, Aravind and Lin, Tsung-Yi and Parmar, Niki and Shlens, Jonathon
               and Abbeel, Pieter and Vaswani, Ashish},
  booktitle = {CVPR},
  year      = {2021}
}""",
    code="https://gist.github.com/aravindsrinivas/56359b79f0ce4449bcb04ab4b56a57a2",
    aliases=("bot", "botnet", "bottleneck_transformer"),
    variants=("official",),
    parameters="3*C**2 + 2*(2*size - 1)*C//heads",
    complexity="O(C²·HW + C·(HW)²) multiplications a sample, O(h·(HW)²) memory",
    place="stage",
    dims=(2,),
    options={"heads": 4, "size": 14},
)
