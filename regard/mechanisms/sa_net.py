r"""Shuffle attention (SA-Net): half of each group is gated by channel, half by space, then mixed.

.. math::
   x_g &= [x_{g1}; x_{g2}], \qquad
   x'_{g1} = x_{g1}\,\sigma(w_1 \mathrm{GAP}(x_{g1}) + b_1), \quad
   x'_{g2} = x_{g2}\,\sigma(w_2 \mathrm{GN}(x_{g2}) + b_2) \\
   y &= \mathrm{shuffle}_2([x'_{11}; x'_{12}; \dots; x'_{G1}; x'_{G2}])

All groups share the parameters. The normalisation is over space, each channel by itself; the
shuffle writes channels 0, C/2, 1, C/2 + 1, … so that the next layer's groups mix.

Shapes: ``[B, C, H, W]`` → the same. Cost: 3C/G parameters, a few operations a pixel.

As in the official code all w are 0 and all b are 1 at first: both gates begin at σ(1) = 0.73. There
C must be a multiple of 2G; for the usual G = 64 that is 128.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ..ops import expect, modulate, squeeze
from ._gate import Sigmoid, StartOption, check_size
from ._group_norm import GroupNorm, check_divides


class ShuffleAttention(nn.Module):
    """Shuffle attention (Zhang and Yang, arXiv:2102.00240, eq. 1 to 5).

    Args:
        channels: C of the map, a multiple of 2G.
        groups: G.
        shuffle: mix the channels at the end; by default only at the paper's start, for the
            identity keeps every channel at its place.
        start: ``paper``: gates σ(1); ``identity``: zero parameters and gates 2σ.
    """

    def __init__(
        self,
        channels: int,
        groups: int = 64,
        *,
        shuffle: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.groups = check_size(channels, "channels"), check_size(groups, "groups")
        width = channels // check_divides(channels, 2 * groups, "halves of groups")
        self.sigmoid = Sigmoid(start)
        self.shuffle = start == "paper" if shuffle is None else shuffle

        def parameter(value: float) -> nn.Parameter:
            return nn.Parameter(torch.full((1, width, 1, 1), value, device=device, dtype=dtype))

        bias = 1.0 if start == "paper" else 0.0
        self.channel_weight, self.channel_bias = parameter(0.0), parameter(bias)
        self.space_weight, self.space_bias = parameter(0.0), parameter(bias)
        self.norm = GroupNorm(width, width, device, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]``, gated and shuffled."""
        x = expect(x, 1, self.channels, "sa_net", axes=4)
        parts = self.groups, 2, -1
        (mean,) = squeeze(x, "space", ("mean",))
        channel = self.channel_weight * mean.unflatten(1, parts)[:, :, 0] + self.channel_bias
        second = self.norm(x.unflatten(1, parts)[:, :, 1].flatten(0, 1))
        space = self.space_weight * second.unflatten(0, (-1, self.groups)) + self.space_bias
        logits = torch.stack([channel.expand_as(space), space], 2)
        out = modulate(x, self.sigmoid(logits.flatten(1, 3)))
        return shuffled(out, 2) if self.shuffle else out


def shuffled(x: Tensor, groups: int) -> Tensor:
    """The channels of ``x [B, C, *space]`` in turn from each of ``groups`` equal parts."""
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


CARD = Card(
    name="sa_net",
    title="Shuffle attention",
    module=ShuffleAttention,
    takes="map",
    family=("channel", "spatial"),
    start="gate",
    paper="arXiv:2102.00240",
    year=2021,
    authors="Qing-Long Zhang, Yu-Bin Yang",
    bibtex="""@inproceedings{zhang2021sanet,
  title     = {{SA-Net}: Shuffle Attention for Deep Convolutional Neural Networks},
  author    = {Zhang, Qing-Long and Yang, Yu-Bin},
  booktitle = {ICASSP},
  year      = {2021}
}""",
    code="https://github.com/wofmanaf/SA-Net",
    code_licence="no licence",
    aliases=("shuffle", "shuffle_attention", "sanet"),
    variants=("official",),
    parameters="3*C//groups",
    complexity="O(C·HW) multiplications a sample, three passes over the map and the shuffle",
    place="branch",
    dims=(2,),
    options={"groups": 8},
)
