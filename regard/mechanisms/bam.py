r"""BAM: a channel branch and a dilated spatial branch, joined into one gate on top of the identity.

.. math::
   M_c &= W_2\,\mathrm{relu}(\mathrm{BN}(W_1\,\mathrm{GAP}(x))), \qquad
   M_s = f_{1\times1}(f_{3\times3}(f_{3\times3}(f_{1\times1}(x)))) \\
   y &= x\,(1 + \sigma(M_c \cdot M_s))

f are convolutions; the 3×3 have dilation 4, and each but the last is followed by BatchNorm and a
rectifier.

Shapes: ``[B, C, *space]`` → the same. Cost, h = C/r: 2Ch + 3h + C parameters for the channel
branch, Ch + 18h² + 10h + 1 for the spatial branch (images).

Paper and code differ. ``official`` (default) multiplies the branches, as above. ``paper`` adds
them, M_c + M_s, and has one BatchNorm at the end of each branch and none within; it names no
activation between the spatial convolutions, and the rectifiers of the code are kept. The halves
alone are x (1 + σ(M_c)) and x (1 + σ(M_s)). The official file itself cannot be run: it lacks a
name, and pools by the height alone.

The authors put it between stages, where the map gets smaller, not into every block.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from ..cards import Card
from ..ops import expect, modulate, squeeze
from ._dims import batch_norm, convolution
from ._gate import StartOption, check_size, check_start, check_variant, statistic, zero

VARIANTS = ("official", "paper")
Device = torch.device | str | None


class ChannelBranch(nn.Module):
    """The channel branch of BAM, alone (Park et al., arXiv:1807.06514, eq. 3).

    Args:
        channels: C of the map.
        reduction: r; the hidden layer has max(1, C // r) units.
        variant: ``official`` or ``paper``, see the top of the file.
        start: ``paper``: gate 1 + σ; ``identity``: a zero last layer and gate ½ + σ.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        *,
        variant: str = "official",
        start: StartOption = "paper",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        hidden = max(1, channels // check_size(reduction, "reduction"))
        official = check_variant(variant, VARIANTS) == "official"
        self.reduce = nn.Linear(channels, hidden, device=device, dtype=dtype)
        self.expand = nn.Linear(hidden, channels, device=device, dtype=dtype)
        # Inside the perceptron in the code, behind it in the paper.
        self.norm = nn.BatchNorm1d(hidden if official else channels, device=device, dtype=dtype)
        self.official = official
        nn.init.zeros_(self.reduce.bias)
        nn.init.zeros_(self.expand.bias)
        self.base = base(start)
        if start == "identity":
            zero(self.expand if official else self.norm)

    def logits(self, x: Tensor) -> Tensor:
        """A map ``[B, C, *space]`` → logits ``[B, C, 1, …]``."""
        (mean,) = squeeze(x, "space")
        hidden = self.reduce(mean.flatten(1))
        if self.official:
            found = self.expand(torch.relu(self.norm(hidden)))
        else:
            found = self.norm(self.expand(torch.relu(hidden)))
        return found.reshape(mean.shape)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]``, gated."""
        x = expect(x, 1, self.channels, "bam_channel")
        return modulate(x, self.base + torch.sigmoid(self.logits(x)))


class SpatialBranch(nn.Module):
    """The spatial branch of BAM, alone (Park et al., arXiv:1807.06514, eq. 4).

    Args:
        channels: C of the map.
        reduction: r; the convolutions have max(1, C // r) channels.
        dilation: of the two convolutions 3×3.
        dims: spatial dimensions of the map: 1, 2 or 3.
        variant: ``official`` or ``paper``, see the top of the file.
        start: ``paper``: gate 1 + σ; ``identity``: a zero last layer and gate ½ + σ.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        *,
        dilation: int = 4,
        dims: int = 2,
        variant: str = "official",
        start: StartOption = "paper",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.dims = check_size(channels, "channels"), dims
        hidden = max(1, channels // check_size(reduction, "reduction"))
        official = check_variant(variant, VARIANTS) == "official"
        check_size(dilation, "dilation")
        layers: list[nn.Module] = []
        for source, kernel, spread in ((channels, 1, 1), *[(hidden, 3, dilation)] * 2):
            conv = convolution(dims)(
                source, hidden, kernel, padding=kernel // 2 * spread, dilation=spread,
                device=device, dtype=dtype,
            )  # fmt: skip
            norm = [batch_norm(dims)(hidden, device=device, dtype=dtype)] if official else []
            layers += [conv, *norm, nn.ReLU()]
        layers.append(convolution(dims)(hidden, 1, 1, device=device, dtype=dtype))
        if not official:
            layers.append(batch_norm(dims)(1, device=device, dtype=dtype))
        self.layers = nn.Sequential(*layers)
        for layer in layers:
            if isinstance(layer, convolution(dims)):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        self.base = base(start)
        if start == "identity":
            zero(layers[-1])

    def logits(self, x: Tensor) -> Tensor:
        """A map ``[B, C, *space]`` → logits ``[B, 1, *space]``."""
        return statistic(self.layers(x))

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]``, gated."""
        what = f"bam_spatial with dims={self.dims}"
        x = expect(x, 1, self.channels, what, axes=self.dims + 2)
        return modulate(x, self.base + torch.sigmoid(self.logits(x)))


class BAM(nn.Module):
    """Bottleneck Attention Module (Park et al., arXiv:1807.06514, eq. 1 and 2).

    Args:
        channels: C of the map.
        reduction: of both branches.
        dilation: of the spatial branch.
        dims: spatial dimensions of the map: 1, 2 or 3.
        variant: ``official`` or ``paper``, see the top of the file.
        start: ``paper``: gate 1 + σ; ``identity``: gate ½ + σ, and a zero last layer in the channel
            branch (both branches for ``paper``: a product of two zeros would have no gradient).
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        *,
        dilation: int = 4,
        dims: int = 2,
        variant: str = "official",
        start: StartOption = "paper",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.official = check_variant(variant, VARIANTS) == "official"
        self.base = base(start)
        self.channel = ChannelBranch(
            channels, reduction, variant=variant, start=start, device=device, dtype=dtype
        )
        self.spatial = SpatialBranch(
            channels, reduction, dilation=dilation, dims=dims, variant=variant,
            start="paper" if self.official else start, device=device, dtype=dtype,
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]``, gated."""
        dims = self.spatial.dims
        x = expect(x, 1, self.channel.channels, f"bam with dims={dims}", axes=dims + 2)
        channel, spatial = self.channel.logits(x), self.spatial.logits(x)
        logits = channel * spatial if self.official else channel + spatial
        return modulate(x, self.base + torch.sigmoid(logits))


def base(start: StartOption) -> float:
    """What σ stands on: 1 in the paper; ½ where logits of zero are to give a gate of one."""
    return 0.5 if check_start(start) == "identity" else 1.0


CHANNEL = "2*C*max(1, C//reduction) + 3*max(1, C//reduction) + C"
SPATIAL = "C*max(1, C//reduction) + 2*3**dims*max(1, C//reduction)**2 + 10*max(1, C//reduction) + 1"
BAM_CARD = Card(
    name="bam",
    title="Bottleneck Attention Module",
    module=BAM,
    takes="map",
    family=("channel", "spatial"),
    start="gate",
    paper="arXiv:1807.06514",
    year=2018,
    authors="Jongchan Park, Sanghyun Woo, Joon-Young Lee, In So Kweon",
    bibtex="""@inproceedings{park2018bam,
  title     = {{BAM}: Bottleneck Attention Module},
  author    = {Park, Jongchan and Woo, Sanghyun and Lee, Joon-Young and Kweon, In So},
  booktitle = {BMVC},
  year      = {2018}
}""",
    code="https://github.com/Jongchan/attention-module",
    code_licence="MIT",
    variants=VARIANTS,
    parameters=f"{CHANNEL} + {SPATIAL}",
    complexity="O(C²/r + (C/r + C²/r²)HW) multiplications a sample",
    dims=(1, 2, 3),
    options={"reduction": 16, "dims": 2},
)
CARDS = (
    BAM_CARD,
    replace(
        BAM_CARD,
        name="bam_channel",
        title="BAM, channel branch",
        module=ChannelBranch,
        family=("channel",),
        parameters=CHANNEL,
        complexity="O(C²/r) multiplications a sample beside two passes over the map",
        options={"reduction": 16},
    ),
    replace(
        BAM_CARD,
        name="bam_spatial",
        title="BAM, spatial branch",
        module=SpatialBranch,
        family=("spatial",),
        parameters=SPATIAL,
        complexity="O((C/r + C²/r²)HW) multiplications a sample",
        # A single rectified unit in a row of three may be closed for every map.
        options={"reduction": 1, "dims": 2},
    ),
)
