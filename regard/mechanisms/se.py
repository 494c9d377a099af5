r"""Squeeze-and-Excitation: weigh the channels by what the whole map shows.

.. math:: y = x \cdot \sigma(W_2\,\mathrm{relu}(W_1\,\mathrm{GAP}(x) + b_1) + b_2)

Shapes: ``[B, C, *space]`` → the same. Cost: 2C²/r + C/r + C parameters, as many multiplications a
sample, one read for the mean and one for the product.

The official Caffe networks have biases in both layers, and so do we; many ports leave them out
(``bias=False``). Where C < r the hidden layer keeps one unit: it never becomes a dead constant.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ..ops import Bottleneck, Step, expect, gate
from ._gate import Sigmoid, StartOption, check_size, zero


class SqueezeExcitation(nn.Module):
    """Squeeze-and-Excitation (Hu et al., arXiv:1709.01507, eq. 2 to 4).

    Args:
        channels: C of the map.
        reduction: r; the hidden layer has max(1, C // r) units.
        bias: biases in both layers, as in the official networks.
        start: ``paper``: default initialisation and gate σ; ``identity``: a zero second layer and
            gate 2σ, so that the output equals the input.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        *,
        bias: bool = True,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        hidden = max(1, channels // check_size(reduction, "reduction"))
        self.reduce = nn.Linear(channels, hidden, bias, device=device, dtype=dtype)
        self.expand = nn.Linear(hidden, channels, bias, device=device, dtype=dtype)
        self.sigmoid = Sigmoid(start)
        if start == "identity":
            zero(self.expand)

    @property
    def step(self) -> Step:
        """Its one step of a gating."""
        return Step("space", ("mean",), Bottleneck(self.reduce, self.expand, self.sigmoid))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``x [B, C, *space]``, gated; ``mask`` is boolean ``[B, *space]``, True = real."""
        x = expect(x, 1, self.channels, "se")
        return gate(x, self.step, mask=mask, spent=True)


CARD = Card(
    name="se",
    title="Squeeze-and-Excitation",
    module=SqueezeExcitation,
    takes="map",
    family=("channel",),
    start="gate",
    paper="arXiv:1709.01507",
    year=2018,
    authors="Jie Hu, Li Shen, Samuel Albanie, Gang Sun, Enhua Wu",
    bibtex="""@inproceedings{hu2018squeeze,
  title     = {Squeeze-and-Excitation Networks},
  author    = {Hu, Jie and Shen, Li and Sun, Gang},
  booktitle = {CVPR},
  year      = {2018}
}""",
    code="https://github.com/hujie-frank/SENet",
    code_licence="Apache-2.0",
    aliases=("squeeze_excitation", "senet"),
    variants=("official",),
    parameters="2*C*max(1, C//reduction) + max(1, C//reduction) + C",
    complexity="O(C²/r) multiplications a sample beside two passes over the map",
    place="branch",
    dims=(1, 2, 3),
    options={"reduction": 16},
)
