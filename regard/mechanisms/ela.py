r"""Efficient local attention (ELA): rows and columns, each gated by a 1-D convolution.

.. math::
   y = x \cdot g(\mathrm{mean}_w x) \cdot g(\mathrm{mean}_h x), \qquad
   g(z) = \sigma(\mathrm{GN}(F(z)))

Coordinate attention without its bottleneck: the k neighbours of a row say what it is worth. One
convolution F and one GroupNorm serve rows and columns alike.

Shapes: ``[B, C, H, W]`` → the same. Cost: kC·C/g + 2C parameters (9C as by default), kC·C/g
multiplications for each row and column.

There is no first-party code; this is the paper's listing. Its four versions, k, groups g of the
convolution, groups of the norm: ELA-B 7, C, 16 (default); ELA-T 5, C, 32; ELA-S 5, C/8, 16; ELA-L
7, C/8, 16. The convolution has no bias. (timm's ``ela`` has two convolutions and a SiLU.)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import expect, modulate, squeeze
from ._gate import Sigmoid, StartOption, check_size, zero
from ._group_norm import GroupNorm, check_divides


class EfficientLocalAttention(nn.Module):
    """Efficient local attention (Xu and Wan, arXiv:2403.01123, eq. 7 to 9).

    Args:
        channels: C of the map.
        kernel_size: k, odd.
        groups: of the convolution; C by default, one for each channel.
        norm_groups: of the normalisation.
        start: ``paper``: default initialisation and gates σ; ``identity``: a zero normalisation
            and gates 2σ.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 7,
        *,
        groups: int | None = None,
        norm_groups: int = 16,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        if check_size(kernel_size, "kernel_size") % 2 == 0:
            raise RegardError(f"kernel_size is {kernel_size}; ela needs an odd number, 3, 5, 7, …")
        groups = channels if groups is None else check_size(groups, "groups")
        self.conv = nn.Conv1d(
            channels, channels, kernel_size, padding=kernel_size // 2,
            groups=check_divides(channels, groups, "groups"), bias=False,
            device=device, dtype=dtype,
        )  # fmt: skip
        norm_groups = check_size(norm_groups, "norm_groups")
        check_divides(channels, norm_groups, "groups of the norm")
        self.norm = GroupNorm(norm_groups, channels, device, dtype)
        self.sigmoid = Sigmoid(start)
        if start == "identity":
            zero(self.norm)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]``, gated."""
        x = expect(x, 1, self.channels, "ela", axes=4)
        (rows,) = squeeze(x, "width", ("mean",))
        (columns,) = squeeze(x, "height", ("mean",))
        return modulate(x, self.excite(rows).unsqueeze(3), self.excite(columns).unsqueeze(2))

    def excite(self, means: Tensor) -> Tensor:
        """Means of rows or of columns ``[B, C, N, 1]``, ``[B, C, 1, N]`` → gates ``[B, C, N]``."""
        gate: Tensor = self.sigmoid(self.norm(self.conv(means.flatten(2))))
        return gate


CARD = Card(
    name="ela",
    title="Efficient local attention",
    module=EfficientLocalAttention,
    takes="map",
    family=("channel", "spatial"),
    start="gate",
    paper="arXiv:2403.01123",
    year=2024,
    authors="Wei Xu, Yi Wan",
    bibtex="""@article{xu2024ela,
  title   = {{ELA}: Efficient Local Attention for Deep Convolutional Neural Networks},
  author  = {Xu, Wei and Wan, Yi},
  journal = {arXiv preprint arXiv:2403.01123},
  year    = {2024}
}""",
    aliases=("efficient_local",),
    variants=("paper",),
    parameters="kernel_size*C + 2*C",
    complexity="O(kC(H + W)) multiplications a sample beside three passes over the map",
    place="branch",
    dims=(2,),
    options={"kernel_size": 7},
)
