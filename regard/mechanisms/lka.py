r"""Large kernel attention (LKA): a 21×21 neighbourhood in three cheap convolutions is the gate.

.. math:: y = x \cdot W_{1\times1}\,\mathrm{dw}_{7\times7,\,d=3}(\mathrm{dw}_{5\times5}(x))

A small depthwise convolution, a dilated one and a mix of channels stand for one large convolution.
No σ: the gate is not bounded, and the product makes the block quadratic in x.

Shapes: ``[B, C, *space]`` → the same. Cost: C² + 77C parameters (two dimensions), as many
multiplications a pixel. All layers have biases.

``van_attention`` is what the Visual Attention Network makes of it: x + W₂ LKA(GELU(W₁ x)). Initial
values as in the official networks: normal by fan-out, biases zero. ``identity`` sets the last layer
of the gate to the constant one, or W₂ to zero.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cards import Card
from ..ops import expect, modulate
from ._dims import convolution
from ._gate import StartOption, check_size, check_start, zero
from ._large_kernels import fan_out, one

SMALL, LARGE, DILATION = 5, 7, 3
Device = torch.device | str | None


class LargeKernelAttention(nn.Module):
    """Large kernel attention (Guo et al., arXiv:2202.09741, eq. 1 and 2).

    Args:
        channels: C of the map.
        dims: spatial dimensions of the map: 1, 2 or 3.
        start: ``paper``, or ``identity``: a gate of one.
    """

    def __init__(
        self,
        channels: int,
        *,
        dims: int = 2,
        start: StartOption = "paper",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.dims = check_size(channels, "channels"), dims
        conv = convolution(dims)
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.local = conv(channels, channels, SMALL, padding=2, groups=channels, **made)
        self.dilated = conv(
            channels, channels, LARGE, padding=9, dilation=DILATION, groups=channels, **made
        )
        self.mix = conv(channels, channels, 1, **made)
        fan_out(self.local, self.dilated, self.mix)
        if check_start(start) == "identity":
            one(self.mix)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]``, gated."""
        x = expect(x, 1, self.channels, f"lka with dims={self.dims}", axes=self.dims + 2)
        return modulate(x, self.mix(self.dilated(self.local(x))))


class VisualAttention(nn.Module):
    """The attention of the Visual Attention Network (Guo et al., arXiv:2202.09741, figure 3).

    Args:
        channels: C of the map.
        dims: spatial dimensions of the map: 1, 2 or 3.
        residual: add the map to the result, as the block does.
        start: ``paper``, or ``identity``: a zero last projection.
    """

    def __init__(
        self,
        channels: int,
        *,
        dims: int = 2,
        residual: bool = True,
        start: StartOption = "paper",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.attention = LargeKernelAttention(channels, dims=dims, **made)
        self.enter = convolution(dims)(channels, channels, 1, **made)
        self.leave = convolution(dims)(channels, channels, 1, **made)
        fan_out(self.enter, self.leave)
        self.residual = residual
        if check_start(start) == "identity":
            zero(self.leave)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]`` plus what the gated projection of it gives."""
        dims = self.attention.dims
        what = f"van_attention with dims={dims}"
        x = expect(x, 1, self.attention.channels, what, axes=dims + 2)
        hidden: Tensor = self.leave(self.attention(F.gelu(self.enter(x))))
        return x + hidden if self.residual else hidden


LKA = Card(
    name="lka",
    title="Large kernel attention",
    module=LargeKernelAttention,
    takes="map",
    family=("channel", "spatial"),
    start="gate",
    paper="arXiv:2202.09741",
    year=2022,
    authors="Meng-Hao Guo, Cheng-Ze Lu, Zheng-Ning Liu, Ming-Ming Cheng, Shi-Min Hu",
    bibtex="""@article{guo2022visual,
  title   = {Visual Attention Network},
  author  = {Guo, Meng-Hao and Lu, Cheng-Ze and Liu, Zheng-Ning and Cheng, Ming-Ming
             and Hu, Shi-Min},
  journal = {arXiv preprint arXiv:2202.09741},
  year    = {2022}
}""",
    code="https://github.com/Visual-Attention-Network/VAN-Classification",
    code_licence="Apache-2.0",
    aliases=("large_kernel",),
    variants=("official",),
    parameters="C**2 + C*(5**dims + 7**dims + 3)",
    complexity="O((C + 74)·C·HW) multiplications a sample",
    place="branch",
    dims=(1, 2, 3),
    options={"dims": 2},
)
CARDS = (
    LKA,
    replace(
        LKA,
        name="van_attention",
        title="Attention of the Visual Attention Network",
        module=VisualAttention,
        start="residual",
        aliases=("van",),
        parameters="3*C**2 + C*(5**dims + 7**dims + 5)",
        complexity="O((3C + 74)·C·HW) multiplications a sample",
        place="stage",
        waives={
            "finite": "the gate has no bound: the block is quadratic, and of numbers of 100 its "
            "products pass the end of float16 at 65504"
        },
    ),
)
