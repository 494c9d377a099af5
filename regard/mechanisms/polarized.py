r"""Polarized self-attention: a gate over channels and one over space, each collapsing one axis.

.. math::
   A^{ch} &= \sigma\left(W_z \textstyle\sum_i \mathrm{softmax}_i(W_q x)\, W_v x_i\right) \\
   A^{sp}_i &= \sigma\left(\mathrm{softmax}(\mathrm{GAP}(W_q' x))^\top W_v' x_i\right) \\
   \text{parallel: } y &= A^{ch} x + A^{sp} x, \qquad \text{sequential: } y = A^{sp}(A^{ch} x)

The axis that is gated keeps half its resolution in the hidden layers (C/2 channels), the other one
collapses: one query over space, one over channels.

Shapes: ``[B, C, H, W]`` → the same. Cost: 2C² + C parameters in parallel, 1.7 C² one after the
other; C²/2 + C multiplications a pixel for each of the two values and the query.

Paper and code differ. ``official`` (default): no biases in queries and values. Parallel: W_z is one
layer without normalisation; over space the softmax comes last and runs over the pixels, so that
A^sp lies within a hair of ½. Sequential: W_z is a bottleneck of C/8, at least 2, with LayerNorm and
ReLU; over space it is the values that pass a softmax over pixels. ``paper``: the equations above,
with biases, and a LayerNorm over the channels after W_z.

An identity start zeroes the last layers. Where the softmax comes last its mean is taken off, so
that zero logits give ½ exactly; in parallel the two gates then sum to one without a 2σ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from ..cards import Card
from ..ops import expect, modulate, squeeze
from ._gate import Sigmoid, StartOption, check_size, check_start, check_variant, zero

VARIANTS = ("official", "paper")
REDUCTION = 4


class Polarized(nn.Module):
    """Both gates; what makes use of them are the two subclasses.

    Args:
        channels: C of the map; the hidden layers have max(1, C // 2).
        variant: ``official`` or ``paper``, see the top of the file.
        start: ``paper``: default initialisation; ``identity``: zero last layers.
    """

    name: ClassVar[str]
    sequential: ClassVar[bool]

    def __init__(
        self,
        channels: int,
        *,
        variant: str = "official",
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, half = check_size(channels, "channels"), max(1, channels // 2)
        self.official = check_variant(variant, VARIANTS) == "official"
        self.identity = check_start(start) == "identity"
        layer = partial(nn.Conv2d, kernel_size=1, device=device, dtype=dtype)
        self.channel_query = layer(channels, 1, bias=not self.official)
        self.channel_value = layer(channels, half, bias=not self.official)
        self.up = nn.Sequential(*self._up(half, layer))
        self.space_query = layer(channels, half, bias=not self.official)
        self.space_value = layer(channels, half, bias=not self.official)
        if self.official:
            for name in ("channel_query", "channel_value", "space_query", "space_value"):
                nn.init.kaiming_normal_(getattr(self, name).weight)
        # Two halves make the identity in parallel; one after the other each gate must be one.
        self.sigmoid = Sigmoid(start if self.sequential else "paper")
        if self.identity:
            zero(self.up[-1], self.space_query if self.official else self.space_value)

    def _up(self, half: int, layer: Callable[..., nn.Conv2d]) -> list[nn.Module]:
        """W_z with what belongs to it."""
        bottleneck = self.official and self.sequential
        if self.official and not bottleneck:
            return [layer(half, self.channels, bias=False)]
        # A LayerNorm over one unit would be zero whatever the map shows.
        width = max(2, half // REDUCTION) if bottleneck else self.channels
        where = self.channel_query.weight
        norm = nn.LayerNorm([width, 1, 1], device=where.device, dtype=where.dtype)
        end = [nn.ReLU(), layer(width, self.channels)] if bottleneck else []
        return [layer(half, width), norm, *end]

    def over_channels(self, x: Tensor) -> Tensor:
        """The gate ``[B, C, 1, 1]``."""
        weights = self.channel_query(x).flatten(2).softmax(-1)
        context = self.channel_value(x).flatten(2) @ weights.transpose(1, 2)
        gate: Tensor = self.sigmoid(self.up(context.unsqueeze(-1)))
        return gate

    def over_space(self, x: Tensor) -> Tensor:
        """The gate ``[B, 1, H, W]``."""
        (mean,) = squeeze(x, "space", ("mean",))
        query = self.space_query(mean).flatten(2).transpose(1, 2)
        value = self.space_value(x).flatten(2)
        if not self.official:
            logits = query.softmax(-1) @ value
        elif self.sequential:
            logits = query @ value.softmax(-1)
        else:
            logits = (query @ value).softmax(-1)
            if self.identity:
                logits = logits - logits.mean(-1, keepdim=True)
        gate: Tensor = self.sigmoid(logits).unflatten(-1, x.shape[2:])
        return gate


class PolarizedParallel(Polarized):
    """Polarized self-attention, gates side by side (Liu et al., arXiv:2107.00782, eq. 3).

    Args:
        channels: C of the map; the hidden layers have max(1, C // 2).
        variant: ``official`` or ``paper``, see the top of the file.
        start: ``paper``, or ``identity``: zero last layers, two gates of one half.
    """

    name, sequential = "polarized_parallel", False

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]``, gated twice, and the two added."""
        x = expect(x, 1, self.channels, self.name, axes=4)
        return modulate(x, self.over_space(x)) + modulate(x, self.over_channels(x))


class PolarizedSequential(Polarized):
    """Polarized self-attention, channels, then space (Liu et al., arXiv:2107.00782, eq. 4).

    Args:
        channels: C of the map; the hidden layers have max(1, C // 2).
        variant: ``official`` or ``paper``, see the top of the file.
        start: ``paper``, or ``identity``: zero last layers and gates 2σ.
    """

    name, sequential = "polarized_sequential", True

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]``, gated over channels and the result over space."""
        x = expect(x, 1, self.channels, self.name, axes=4)
        gated = modulate(x, self.over_channels(x))
        return modulate(gated, self.over_space(gated))


PARALLEL = Card(
    name="polarized_parallel",
    title="Polarized self-attention, parallel",
    module=PolarizedParallel,
    takes="map",
    family=("channel", "spatial"),
    start="gate",
    paper="arXiv:2107.00782",
    year=2021,
    authors="Huajun Liu, Fuqiang Liu, Xinyi Fan, Dong Huang",
    bibtex="""@article{liu2021polarized,
  title   = {Polarized Self-Attention: Towards High-quality Pixel-wise Regression},
  author  = {Liu, Huajun and Liu, Fuqiang and Fan, Xinyi and Huang, Dong},
  journal = {arXiv preprint arXiv:2107.00782},
  year    = {2021}
}""",
    code="https://github.com/DeLightCMU/PSA",
    code_licence="Apache-2.0",
    aliases=("polarized", "psa_p"),
    variants=VARIANTS,
    parameters="C + 4*C*max(1, C//2)",
    complexity="O(C²·HW) multiplications a sample for one query and two values",
    place="branch",
    dims=(2,),
)
CARDS = (
    PARALLEL,
    replace(
        PARALLEL,
        name="polarized_sequential",
        title="Polarized self-attention, sequential",
        module=PolarizedSequential,
        aliases=("psa_s",),
        parameters="2*C + 3*C*max(1, C//2) + (max(1, C//2) + C + 3)*max(2, max(1, C//2)//4)",
    ),
)
