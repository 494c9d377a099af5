r"""Selective Kernel: branches with small and large kernels; each channel chooses among them.

.. math::
   U_b &= \mathrm{relu}(\mathrm{BN}(\mathrm{conv}_{3\times3,\,\mathrm{dilation}\ b}(x))), \qquad
   z = \mathrm{relu}(\mathrm{BN}(W\,\mathrm{GAP}(\textstyle\sum_b U_b))) \\
   y &= \textstyle\sum_b a_b\,U_b, \qquad a = \mathrm{softmax}_b(A_b z)

Shapes: ``[B, C, *space]`` → the same. Cost, M branches of G groups, d = max(C/r, 32):
M(9C²/G + 2C) + (M + 1)Cd + 2d parameters for images.

As in the official networks: two branches, the second with dilation 2 in the place of a 5×5 kernel,
32 groups (where these do not divide C, as many of them as do), no biases in any layer. In the paper
it replaces a block's 3×3 convolution; its output is made of rectified branches, and so it has no
start at which it would be the identity.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import expect, modulate, squeeze
from ._dims import batch_norm, convolution
from ._gate import check_size


class SelectiveKernel(nn.Module):
    """A Selective Kernel unit (Li et al., arXiv:1903.06586, eq. 1 to 6).

    Args:
        channels: C of the map.
        reduction: r; the choice is made from d = max(C // r, least) numbers.
        branches: M; branch b has dilation b.
        groups: G of the convolutions, a divisor of C; by default the greatest that C and 32 have
            in common.
        least: of d.
        dims: spatial dimensions of the map: 1, 2 or 3.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        *,
        branches: int = 2,
        groups: int | None = None,
        least: int = 32,
        dims: int = 2,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.dims = check_size(channels, "channels"), dims
        groups = math.gcd(32, channels) if groups is None else check_size(groups, "groups")
        if channels % groups:
            raise RegardError(f"{groups} groups do not divide {channels} channels evenly")
        hidden = max(channels // check_size(reduction, "reduction"), check_size(least, "least"))
        self.branches = nn.ModuleList()
        for dilation in range(1, check_size(branches, "branches") + 1):
            conv = convolution(dims)(
                channels, channels, 3, padding=dilation, dilation=dilation, groups=groups,
                bias=False, device=device, dtype=dtype,
            )  # fmt: skip
            nn.init.kaiming_normal_(conv.weight)
            norm = batch_norm(dims)(channels, device=device, dtype=dtype)
            self.branches.append(nn.Sequential(conv, norm, nn.ReLU()))
        self.reduce = nn.Linear(channels, hidden, False, device, dtype)
        self.norm = nn.BatchNorm1d(hidden, device=device, dtype=dtype)
        self.select = nn.Linear(hidden, branches * channels, False, device, dtype)
        for layer in (self.reduce, self.select):
            nn.init.normal_(layer.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]`` → the branches, each weighed by its gate, in one."""
        x = expect(x, 1, self.channels, f"sk with dims={self.dims}", axes=self.dims + 2)
        first, *others = (branch(x) for branch in self.branches)
        total = first
        for u in others:
            total = total + u
        shares = self.excite(squeeze(total, "space")[0])
        out = modulate(first, shares[:, 0])
        for b, u in enumerate(others, 1):
            out = out + modulate(u, shares[:, b])
        return out

    def excite(self, mean: Tensor) -> Tensor:
        """Means ``[B, C, 1, …]`` → shares of the branches ``[B, M, C]``, whose sum is one."""
        hidden = torch.relu(self.norm(self.reduce(mean.flatten(1))))
        return self.select(hidden).unflatten(1, (-1, self.channels)).softmax(1)


CARD = Card(
    name="sk",
    title="Selective Kernel",
    module=SelectiveKernel,
    takes="map",
    family=("channel",),
    start="none",
    paper="arXiv:1903.06586",
    year=2019,
    authors="Xiang Li, Wenhai Wang, Xiaolin Hu, Jian Yang",
    bibtex="""@inproceedings{li2019selective,
  title     = {Selective Kernel Networks},
  author    = {Li, Xiang and Wang, Wenhai and Hu, Xiaolin and Yang, Jian},
  booktitle = {CVPR},
  year      = {2019}
}""",
    code="https://github.com/implus/SKNet",
    code_licence="no licence",
    aliases=("selective_kernel", "sknet"),
    variants=("official",),
    parameters="branches*(3**dims*C**2/gcd(32, C) + 2*C)"
    " + ((branches + 1)*C + 2)*max(C//reduction, least)",
    complexity="O(9C²HW/G) multiplications a sample and branch",
    dims=(1, 2, 3),
    options={"reduction": 16, "branches": 2, "least": 32, "dims": 2},
)
