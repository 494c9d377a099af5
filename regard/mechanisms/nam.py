r"""NAM: a gate from BatchNorm alone; its factors γ say which channels matter.

.. math:: y = x \cdot \sigma\left(\frac{|\gamma_c|}{\sum_k |\gamma_k|}\,\mathrm{BN}(x)_c\right)

Shapes: ``[B, C, *space]`` → the same. Cost: 2C parameters, a few passes over the map.

As in the official code the share of γ is taken as a constant in backward, and the shares are of
magnitudes; the paper writes γ without them. The paper also has a spatial half, which weighs places
in the same way and has a parameter for each: it is bound to one size of map, the official code has
dropped it, and it is not offered here. With all γ = 0 there is no share, and the gate is one half;
so it has no identity start that training could leave.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ..ops import expect, modulate
from ._dims import batch_norm
from ._gate import check_size


class NormalizationAttention(nn.Module):
    """The channel half of NAM (Liu et al., arXiv:2111.12419, eq. 1 and 2).

    Args:
        channels: C of the map.
        dims: spatial dimensions of the map: 1, 2 or 3.
    """

    def __init__(
        self,
        channels: int,
        *,
        dims: int = 2,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        self.dims = dims
        self.norm = batch_norm(dims)(channels, device=device, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]``, gated at each place."""
        x = expect(x, 1, self.channels, f"nam with dims={self.dims}", axes=self.dims + 2)
        magnitude = self.norm.weight.detach().abs()
        total = magnitude.sum()
        share = magnitude / (total + (total == 0))  # no share at all where every factor is zero
        logits = share.view(-1, *[1] * self.dims) * self.norm(x)
        return modulate(x, torch.sigmoid(logits))


CARD = Card(
    name="nam",
    title="Normalization-based Attention Module",
    module=NormalizationAttention,
    takes="map",
    family=("channel",),
    start="none",
    paper="arXiv:2111.12419",
    year=2021,
    authors="Yichao Liu, Zongru Shao, Yueyang Teng, Nico Hoffmann",
    bibtex="""@article{liu2021nam,
  title   = {{NAM}: Normalization-based Attention Module},
  author  = {Liu, Yichao and Shao, Zongru and Teng, Yueyang and Hoffmann, Nico},
  journal = {arXiv preprint arXiv:2111.12419},
  year    = {2021}
}""",
    code="https://github.com/Christian-lyc/NAM",
    code_licence="no licence",
    aliases=("normalization_attention",),
    variants=("official",),
    parameters="2*C",
    complexity="a few passes over the map",
    dims=(1, 2, 3),
    waives={"gradcheck": "the shares of γ are constants in backward, as in the official code"},
)
