r"""Pyramid squeeze attention (EPSA): four convolutions, one a scale, and a softmax between them.

.. math::
   F_i &= \mathrm{conv}_{k_i}(x) \in \mathbb{R}^{C/4}, \quad k = 3, 5, 7, 9, \qquad
   Z_i = \mathrm{SE}(F_i) \\
   y &= [F_4 A_4;\ F_3 A_3;\ F_2 A_2;\ F_1 A_1], \qquad A_i = \exp Z_i / \textstyle\sum_j \exp Z_j

Each convolution sees all C channels; the wider it is, the more groups it has (1, 4, 8, 16). One
squeeze and excitation serves all scales, its σ stays, and the softmax acts on the gates.

Shapes: ``[B, C, H, W]`` → the same. Cost: 6.6 C² + 2(C/4)²/r + … parameters, 6.6 C² multiplications
a pixel: it is made to stand in place of a 3×3 convolution (9 C²).

Paper and code differ in the order of the parts: the paper concatenates F₁ to F₄, the official code
puts the widest kernel first (``official``, the default).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import Step, expect, gate
from ._gate import StartOption, adds_input, check_size, check_start, check_variant, zero
from ._group_norm import check_divides

VARIANTS = ("official", "paper")
KERNELS = (3, 5, 7, 9)
GROUPS = (1, 4, 8, 16)
SCALES = len(KERNELS)


class PyramidSqueezeAttention(nn.Module):
    """Pyramid squeeze attention (Zhang et al., arXiv:2105.14447, eq. 3 to 11).

    Args:
        channels: C of the map, a multiple of 4; C/4 must be divisible by the groups, each of
            which is at most C/4.
        reduction: of the excitation, whose hidden layer has max(1, C // 4 // r) units.
        residual: add the map to the result; by default only at an identity start.
        variant: ``official`` or ``paper``, see the top of the file.
        start: ``paper``, or ``identity``: zero convolutions, and the map is added.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        *,
        residual: bool | None = None,
        variant: str = "official",
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        width = channels // check_divides(channels, SCALES, "scales")
        self.reverse = check_variant(variant, VARIANTS) == "official"
        self.convs = nn.ModuleList(
            nn.Conv2d(
                channels, width, kernel, padding=kernel // 2, groups=check_groups(width, groups),
                bias=False, device=device, dtype=dtype,
            )
            for kernel, groups in zip(KERNELS, GROUPS, strict=True)
        )  # fmt: skip
        hidden = max(1, width // check_size(reduction, "reduction"))
        self.reduce = nn.Linear(width, hidden, device=device, dtype=dtype)
        self.expand = nn.Linear(hidden, width, device=device, dtype=dtype)
        if check_start(start) == "identity":
            zero(self.convs)
        self.residual = adds_input(start, residual)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]`` at four scales, each weighed by channel."""
        x = expect(x, 1, self.channels, "epsa", axes=4)
        scales = [conv(x) for conv in self.convs]
        features = torch.cat(scales[::-1] if self.reverse else scales, 1)
        out = gate(features, Step("space", ("mean",), self.excite), spent=True)
        return x + out if self.residual else out

    def excite(self, mean: Tensor) -> Tensor:
        """Means ``[B, C, 1, 1]`` → gate ``[B, C]``; over the four scales it sums to one."""
        means = mean.flatten(1).unflatten(1, (SCALES, -1))
        excited = torch.sigmoid(self.expand(torch.relu(self.reduce(means))))
        return excited.softmax(1).flatten(1)


def check_groups(width: int, groups: int) -> int:
    """The groups of a convolution to ``width`` channels: at most as many as channels."""
    groups = min(groups, width)
    if width % groups:
        raise RegardError(
            f"epsa makes {width} channels a scale, which {groups} groups do not divide; "
            f"multiples of 64 channels always work"
        )
    return groups


CARD = Card(
    name="epsa",
    title="Pyramid squeeze attention",
    module=PyramidSqueezeAttention,
    takes="map",
    family=("channel", "spatial"),
    start="residual",
    paper="arXiv:2105.14447",
    year=2022,
    authors="Hu Zhang, Keke Zu, Jian Lu, Yuru Zou, Deyu Meng",
    bibtex="""@inproceedings{zhang2022epsanet,
  title     = {{EPSANet}: An Efficient Pyramid Squeeze Attention Block on Convolutional Neural
               Network},
  author    = {Zhang, Hu and Zu, Keke and Lu, Jian and Zou, Yuru and Meng, Deyu},
  booktitle = {ACCV},
  year      = {2022}
}""",
    code="https://github.com/murufeng/EPSANet",
    code_licence="MIT",
    aliases=("psa_module", "epsanet", "pyramid_squeeze"),
    variants=VARIANTS,
    parameters="C*(C//4)*(9 + 25/min(4, C//4) + 49/min(8, C//4) + 81/min(16, C//4))"
    " + 2*(C//4)*max(1, C//4//reduction) + max(1, C//4//reduction) + C//4",
    complexity="O(C²·HW) multiplications a sample, three quarters of a 3×3 convolution",
    place="branch",
    dims=(2,),
    options={"reduction": 16},
)
