r"""CBAM: first which channels, then where.

.. math::
   M_c &= \sigma(\mathrm{MLP}(\mathrm{avg}(x)) + \mathrm{MLP}(\mathrm{max}(x))) \\
   M_s &= \sigma(\mathrm{BN}(\mathrm{conv}_{7\times7}([\max_c x';\ \mathrm{mean}_c x']))),
          \quad x' = M_c\,x \\
   y &= M_s\,M_c\,x

Shapes: ``[B, C, *space]`` → the same. Cost: 2C²/r + C/r + C parameters for the channel half (one
MLP for both statistics), 98 + 2 for the spatial half.

Paper and code differ in the spatial half. ``official`` (default): the statistics in the order
[max, mean], a BatchNorm (momentum 0.01) after the convolution, its weight zero at the start, so
that the spatial gate begins at exactly ½. ``paper``: the order [mean, max] and no BatchNorm. The
weights of the two are not interchangeable.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import Bottleneck, Step, Window, expect, gate
from ._dims import batch_norm, check_dims, convolution
from ._gate import Sigmoid, StartOption, check_size, check_variant, zero

VARIANTS = ("official", "paper")
Device = torch.device | str | None


class ChannelGate(nn.Module):
    """The channel half of CBAM (Woo et al., arXiv:1807.06521, eq. 2).

    Args:
        channels: C of the map.
        reduction: r; the hidden layer has max(1, C // r) units.
        start: ``paper``, or ``identity``: a zero second layer and gate 2σ.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
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

    @property
    def step(self) -> Step:
        """This half as a step of a gating."""
        excite = Bottleneck(self.reduce, self.expand, self.sigmoid)
        return Step("space", ("mean", "max"), excite)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``x [B, C, *space]``, gated; ``mask`` is boolean ``[B, *space]``, True = real."""
        x = expect(x, 1, self.channels, "cbam_channel")
        return gate(x, self.step, mask=mask, spent=True)


class SpatialGate(nn.Module):
    """The spatial half of CBAM (Woo et al., arXiv:1807.06521, eq. 3).

    Args:
        channels: C of the map; no parameter depends on it, and None takes any.
        kernel_size: odd; 7 in the paper.
        dims: spatial dimensions of the map: 1, 2 or 3.
        variant: ``official`` or ``paper``, see the top of the file.
        start: ``paper``, or ``identity``: a zero last layer and gate 2σ.
    """

    def __init__(
        self,
        channels: int | None = None,
        kernel_size: int = 7,
        *,
        dims: int = 2,
        variant: str = "official",
        start: StartOption = "paper",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise RegardError(f"kernel_size is {kernel_size}; cbam needs an odd number, 3, 5, 7, …")
        self.channels = None if channels is None else check_size(channels, "channels")
        self.dims = check_dims(dims)
        self.official = check_variant(variant, VARIANTS) == "official"
        self.conv = convolution(dims)(
            2, 1, kernel_size, padding=kernel_size // 2, bias=False, device=device, dtype=dtype
        )
        self.norm: nn.Module = nn.Identity()
        if self.official:
            self.norm = batch_norm(dims)(1, eps=1e-5, momentum=0.01, device=device, dtype=dtype)
        self.sigmoid = Sigmoid(start)
        if self.official:
            zero(self.norm)
        elif start == "identity":
            zero(self.conv)

    @property
    def step(self) -> Step:
        """This half as a step of a gating."""
        excite = Window(self.conv, self.norm, self.sigmoid)
        return Step("channels", ("max", "mean") if self.official else ("mean", "max"), excite)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``x [B, C, *space]``, gated; ``mask`` is boolean ``[B, *space]``, True = real."""
        what = f"cbam_spatial with dims={self.dims}"
        x = expect(x, 1, self.channels, what, axes=self.dims + 2)
        return gate(x, self.step, mask=mask, spent=True)


class CBAM(nn.Module):
    """Convolutional Block Attention Module (Woo et al., arXiv:1807.06521, eq. 1).

    Args:
        channels: C of the map.
        reduction: of the channel half.
        kernel_size: of the spatial half, odd.
        dims: spatial dimensions of the map: 1, 2 or 3.
        variant: ``official`` or ``paper``, see the top of the file.
        start: ``paper``, or ``identity``: both last layers zero and both gates 2σ.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        kernel_size: int = 7,
        *,
        dims: int = 2,
        variant: str = "official",
        start: StartOption = "paper",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channel = ChannelGate(channels, reduction, start=start, device=device, dtype=dtype)
        self.spatial = SpatialGate(
            channels, kernel_size, dims=dims, variant=variant, start=start,
            device=device, dtype=dtype,
        )  # fmt: skip

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``x [B, C, *space]``, gated; ``mask`` is boolean ``[B, *space]``, True = real."""
        dims = self.spatial.dims
        x = expect(x, 1, self.channel.channels, f"cbam with dims={dims}", axes=dims + 2)
        steps = self.channel.step, self.spatial.step
        return gate(x, *steps, mask=mask, spent=True)


CBAM_CARD = Card(
    name="cbam",
    title="Convolutional Block Attention Module",
    module=CBAM,
    takes="map",
    family=("channel", "spatial"),
    start="gate",
    paper="arXiv:1807.06521",
    year=2018,
    authors="Sanghyun Woo, Jongchan Park, Joon-Young Lee, In So Kweon",
    bibtex="""@inproceedings{woo2018cbam,
  title     = {{CBAM}: Convolutional Block Attention Module},
  author    = {Woo, Sanghyun and Park, Jongchan and Lee, Joon-Young and Kweon, In So},
  booktitle = {ECCV},
  year      = {2018}
}""",
    code="https://github.com/Jongchan/attention-module",
    code_licence="MIT",
    variants=VARIANTS,
    parameters="2*C*max(1, C//reduction) + max(1, C//reduction) + C + 2*kernel_size**dims + 2",
    complexity="O(C²/r + k²HW) multiplications a sample beside three passes over the map",
    place="branch",
    dims=(1, 2, 3),
    options={"reduction": 16, "kernel_size": 7, "dims": 2},
)
CARDS = (
    CBAM_CARD,
    replace(
        CBAM_CARD,
        name="cbam_channel",
        title="CBAM, channel half",
        module=ChannelGate,
        family=("channel",),
        variants=("official",),
        parameters="2*C*max(1, C//reduction) + max(1, C//reduction) + C",
        complexity="O(C²/r) multiplications a sample beside two passes over the map",
        options={"reduction": 16},
    ),
    replace(
        CBAM_CARD,
        name="cbam_spatial",
        title="CBAM, spatial half",
        module=SpatialGate,
        family=("spatial",),
        parameters="2*kernel_size**dims + 2",
        complexity="O(k²HW) multiplications a sample beside two passes over the map",
        options={"kernel_size": 7, "dims": 2},
    ),
)
