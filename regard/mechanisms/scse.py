r"""scSE: excite channels by what all places show, and places by what all channels show.

.. math::
   g_c &= \sigma(W_2\,\mathrm{relu}(W_1\,\mathrm{GAP}(x) + b_1) + b_2), \qquad
   g_s = \sigma(w^\top x + b) \\
   y &= \max(g_c\,x,\ g_s\,x)

Shapes: ``[B, C, *space]`` → the same. Cost: 2C²/r + C/r + C parameters for the channel half
(r = 2), C + 1 for the spatial half.

Paper and code differ: the official code (``official``, the default) takes the larger of the two
products, the MICCAI paper (``paper``) their sum. The sum of two gates of one half is the identity,
so at an identity start the paper's gates stay σ, where the others become 2σ.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from ..cards import Card
from ..ops import Bottleneck, Step, expect, gate, modulate, squeeze
from ._gate import Sigmoid, StartOption, check_size, check_start, check_variant, statistic, zero

VARIANTS = ("official", "paper")
Device = torch.device | str | None


class ChannelGate(nn.Module):
    """cSE, the channel half (Roy et al., arXiv:1803.02579, section 2).

    Args:
        channels: C of the map.
        reduction: r; the hidden layer has max(1, C // r) units.
        start: ``paper``, or ``identity``: a zero second layer and gate 2σ.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 2,
        *,
        start: StartOption = "paper",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        hidden = max(1, channels // check_size(reduction, "reduction"))
        self.reduce = nn.Linear(channels, hidden, device=device, dtype=dtype)
        self.expand = nn.Linear(hidden, channels, device=device, dtype=dtype)
        self.sigmoid = Sigmoid(start)
        if start == "identity":
            zero(self.expand)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``x [B, C, *space]``, gated; ``mask`` is boolean ``[B, *space]``, True = real."""
        x = expect(x, 1, self.channels, "scse_channel")
        return gate(x, Step("space", ("mean",), self.excite), mask=mask, spent=True)

    @property
    def excite(self) -> Bottleneck:
        """Means ``[B, C, 1, …]`` → gate ``[B, C]``."""
        return Bottleneck(self.reduce, self.expand, self.sigmoid)


class SpatialGate(nn.Module):
    """sSE, the spatial half (Roy et al., arXiv:1803.02579, section 2).

    Args:
        channels: C of the map.
        start: ``paper``, or ``identity``: a zero layer and gate 2σ.
    """

    def __init__(
        self,
        channels: int,
        *,
        start: StartOption = "paper",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        self.conv = nn.Conv1d(channels, 1, 1, device=device, dtype=dtype)
        self.sigmoid = Sigmoid(start)
        if start == "identity":
            zero(self.conv)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]``, gated."""
        x = expect(x, 1, self.channels, "scse_spatial")
        return modulate(x, self.excite(x))

    def excite(self, x: Tensor) -> Tensor:
        """A map ``[B, C, *space]`` → gate ``[B, 1, *space]``."""
        logits = self.conv(x.flatten(2)).reshape(x[:, :1].shape)
        excited: Tensor = self.sigmoid(statistic(logits))
        return excited


class ConcurrentSqueezeExcitation(nn.Module):
    """Concurrent spatial and channel SE (Roy et al., arXiv:1803.02579, section 2).

    Args:
        channels: C of the map.
        reduction: of the channel half.
        variant: ``official``: the larger product; ``paper``: the sum.
        start: ``paper``, or ``identity``: both last layers zero, gates 2σ for the larger, σ for
            the sum.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 2,
        *,
        variant: str = "official",
        start: StartOption = "paper",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.official = check_variant(variant, VARIANTS) == "official"
        self.channel = ChannelGate(channels, reduction, start=start, device=device, dtype=dtype)
        self.spatial = SpatialGate(channels, start=start, device=device, dtype=dtype)
        if check_start(start) == "identity" and not self.official:
            self.channel.sigmoid = self.spatial.sigmoid = Sigmoid("paper")

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``x [B, C, *space]``, gated twice; ``mask`` is boolean ``[B, *space]``, True = real."""
        x = expect(x, 1, self.channel.channels, "scse")
        by_channel = modulate(x, self.channel.excite(squeeze(x, "space", mask=mask)[0]))
        by_place = modulate(x, self.spatial.excite(x))
        if self.official:
            return torch.maximum(by_channel, by_place)
        return by_channel + by_place


SCSE_CARD = Card(
    name="scse",
    title="Concurrent Spatial and Channel Squeeze-and-Excitation",
    module=ConcurrentSqueezeExcitation,
    takes="map",
    family=("channel", "spatial"),
    start="gate",
    paper="arXiv:1803.02579",
    year=2018,
    authors="Abhijit Guha Roy, Nassir Navab, Christian Wachinger",
    bibtex="""@inproceedings{roy2018concurrent,
  title     = {Concurrent Spatial and Channel `Squeeze \\& Excitation' in Fully Convolutional
               Networks},
  author    = {Roy, Abhijit Guha and Navab, Nassir and Wachinger, Christian},
  booktitle = {MICCAI},
  year      = {2018}
}""",
    code="https://github.com/ai-med/squeeze_and_excitation",
    code_licence="MIT",
    aliases=("concurrent_se",),
    variants=VARIANTS,
    parameters="2*C*max(1, C//reduction) + max(1, C//reduction) + 2*C + 1",
    complexity="O(C²/r + CHW) multiplications a sample beside four passes over the map",
    dims=(1, 2, 3),
    options={"reduction": 2},
)
CARDS = (
    SCSE_CARD,
    replace(
        SCSE_CARD,
        name="scse_channel",
        title="scSE, channel half",
        module=ChannelGate,
        family=("channel",),
        aliases=("cse",),
        variants=("official",),
        parameters="2*C*max(1, C//reduction) + max(1, C//reduction) + C",
        complexity="O(C²/r) multiplications a sample beside two passes over the map",
    ),
    replace(
        SCSE_CARD,
        name="scse_spatial",
        title="scSE, spatial half",
        module=SpatialGate,
        family=("spatial",),
        aliases=("sse",),
        variants=("official",),
        parameters="C + 1",
        complexity="O(CHW) multiplications a sample",
        options={},
    ),
)
