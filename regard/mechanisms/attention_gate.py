r"""Attention gate: a coarse map from deeper in the network says where a finer one counts.

.. math:: y = \alpha\,x, \qquad
   \alpha = \uparrow\!\sigma(\psi^\top \mathrm{relu}(W_x x + {\uparrow}(W_g g + b_g)) + b_\psi)

The map is brought down by s in the convolution W_x, the gating signal up to that size, and the one
gate of all channels up to the map's; both linearly.

Shapes: ``[B, C, *space]`` and a gating signal ``[B, G, *any]`` of another resolution → the first.
Cost: C·h·s^dims + G·h + 2h + 1 parameters and C² + 3C for the output; h = C / 2.

Paper and code differ. ``official`` (default): W_x is a convolution of size and stride s, and the
gated map goes through a 1×1 convolution with BatchNorm. ``paper``: W_x is a 1×1 convolution with
stride s, and the gated map is the output. A map smaller than s is filled up with zeros for W_x.
Upsampling is that of today's PyTorch (``align_corners=False``); the code was written for one that
aligned corners.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..cards import Card
from ..ops import expect, modulate
from ._dims import batch_norm, convolution
from ._gate import check_size, check_variant
from ._resize import at_least, resize
from .aff import check_dims

VARIANTS = ("official", "paper")


class AttentionGate(nn.Module):
    """Attention gate of Attention U-Net (Oktay et al., arXiv:1804.03999, eq. 1 and 2).

    Args:
        channels: C of the map that is gated.
        gating_channels: G of the gating signal, by default C.
        hidden: h, by default max(1, C // 2).
        subsample: s; 2 for a gating signal from one level deeper.
        dims: spatial dimensions of the maps: 1, 2 or 3.
        variant: ``official`` or ``paper``, see the top of the file.
    """

    def __init__(
        self,
        channels: int,
        gating_channels: int | None = None,
        hidden: int | None = None,
        *,
        subsample: int = 2,
        dims: int = 2,
        variant: str = "official",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.dims = check_size(channels, "channels"), check_dims(dims)
        self.gating_channels = check_size(
            channels if gating_channels is None else gating_channels, "gating_channels"
        )
        hidden = max(1, channels // 2) if hidden is None else check_size(hidden, "hidden")
        self.subsample = check_size(subsample, "subsample")
        official = check_variant(variant, VARIANTS) == "official"
        home: dict[str, Any] = {"device": device, "dtype": dtype}
        conv = convolution(dims)
        norm = batch_norm(dims)
        kernel = subsample if official else 1
        self.reduce = conv(channels, hidden, kernel, subsample, bias=False, **home)
        self.reduce_gating = conv(self.gating_channels, hidden, 1, **home)
        self.score = conv(hidden, 1, 1, **home)
        self.output: nn.Module = nn.Identity()
        if official:
            self.output = nn.Sequential(conv(channels, channels, 1, **home), norm(channels, **home))
        self.apply(reset)

    def forward(self, x: Tensor, gating: Tensor) -> Tensor:
        """``x [B, C, *space]``, gated by ``gating [B, G, *any]``."""
        what, axes = f"attention_gate with dims={self.dims}", self.dims + 2
        x = expect(x, 1, self.channels, f"{what} (the map)", axes=axes)
        gating = expect(gating, 1, self.gating_channels, f"{what} (the gating signal)", axes=axes)
        gated: Tensor = self.output(modulate(x, resize(self.excite(x, gating), x)))
        return gated

    def excite(self, x: Tensor, gating: Tensor) -> Tensor:
        """The gate ``[B, 1, *coarse]``, before it is brought to the map's resolution."""
        own = self.reduce(at_least(x, self.subsample))
        both = torch.relu(own + resize(self.reduce_gating(gating), own))
        return torch.sigmoid(self.score(both))


def reset(module: nn.Module) -> None:
    """The start of the official code for one layer."""
    if isinstance(module, nn.modules.conv._ConvNd):
        nn.init.kaiming_normal_(module.weight)
    elif isinstance(module, nn.modules.batchnorm._BatchNorm):
        nn.init.normal_(module.weight, 1.0, 0.02)


CARD = Card(
    name="attention_gate",
    title="Attention gate (Attention U-Net)",
    module=AttentionGate,
    takes="maps",
    family=("spatial",),
    start="none",
    paper="arXiv:1804.03999",
    year=2018,
    authors="Ozan Oktay, Jo Schlemper, Loic Le Folgoc, Matthew Lee, Mattias Heinrich, "
    "Kazunari Misawa, Kensaku Mori, Steven McDonagh, Nils Y. Hammerla, Bernhard Kainz, "
    "Ben Glocker, Daniel Rueckert",
    bibtex="""@inproceedings{oktay2018attention,
  title     = {Attention {U-Net}: Learning Where to Look for the Pancreas},
  author    = {Oktay, Ozan and Schlemper, Jo and Le Folgoc, Loic and Lee, Matthew and
               Heinrich, Mattias and Misawa, Kazunari and Mori, Kensaku and McDonagh, Steven and
               Hammerla, Nils Y. and Kainz, Bernhard and Glocker, Ben and Rueckert, Daniel},
  booktitle = {MIDL},
  year      = {2018}
}""",
    code="https://github.com/ozan-oktay/Attention-Gated-Networks",
    code_licence="MIT",
    aliases=("attention_unet", "grid_attention"),
    variants=VARIANTS,
    parameters="C*max(1, C//2)*subsample**dims + (C + 2)*max(1, C//2) + 1 + C**2 + 3*C",
    complexity="O(C²) multiplications a pixel, C·h·s^dims a coarse pixel",
    place="branch",
    dims=(1, 2, 3),
    options={"subsample": 2, "dims": 2},
)
