r"""Split attention (ResNeSt): one convolution makes R maps; each channel chooses among them.

.. math::
   [U_1, \dots, U_R] &= \mathrm{relu}(\mathrm{BN}(\mathrm{conv}(x))), \qquad
   z = \mathrm{relu}(\mathrm{BN}(W_1\,\mathrm{GAP}(\textstyle\sum_r U_r) + b_1)) \\
   y &= \textstyle\sum_r a_r\,U_r, \qquad a = \mathrm{softmax}_r(W_2 z + b_2)

W₁ and W₂ are split into K groups (the cardinality), the convolution into K·R. With R = 1 the
softmax is a sigmoid.

Shapes: ``[B, C, *space]`` → the same. Cost, d = max(CR/r, 32): 9C²/K + 2CR + Cd/K + 3d + CdR/K + CR
parameters for images and a kernel of 3.

As in the official networks: R = 2, K = 1, r = 4, no bias in the convolution, biases in W₁ and W₂.
It replaces a block's 3×3 convolution; its output is made of rectified maps, and so it has no start
at which it would be the identity.
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


class SplitAttention(nn.Module):
    """Split-attention convolution (Zhang et al., arXiv:2004.08955, section 3).

    Args:
        channels: C of the map, a multiple of K·R.
        kernel_size: of the convolution, odd.
        radix: R, maps among which to choose.
        cardinality: K, groups; a divisor of C and of d.
        reduction: r; the choice is made from d = max(C·R // r, 32) numbers.
        dims: spatial dimensions of the map: 1, 2 or 3.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 3,
        *,
        radix: int = 2,
        cardinality: int = 1,
        reduction: int = 4,
        dims: int = 2,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.dims = check_size(channels, "channels"), dims
        self.radix = check_size(radix, "radix")
        self.cardinality = check_size(cardinality, "cardinality")
        hidden = max(channels * radix // check_size(reduction, "reduction"), 32)
        if channels % (cardinality * radix) or hidden % cardinality:
            raise RegardError(
                f"cardinality is {cardinality} and radix {radix}; their product must divide "
                f"{channels} channels evenly, and the cardinality {hidden} hidden units"
            )
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise RegardError(f"kernel_size is {kernel_size}; an odd number is needed: 3, 5, …")
        self.conv = convolution(dims)(
            channels, channels * radix, kernel_size, padding=kernel_size // 2,
            groups=cardinality * radix, bias=False, device=device, dtype=dtype,
        )  # fmt: skip
        nn.init.normal_(self.conv.weight, std=math.sqrt(2 / (kernel_size**dims * channels * radix)))
        self.norm = batch_norm(dims)(channels * radix, device=device, dtype=dtype)
        self.reduce = nn.Conv1d(channels, hidden, 1, groups=cardinality, device=device, dtype=dtype)
        self.hidden_norm = nn.BatchNorm1d(hidden, device=device, dtype=dtype)
        self.select = nn.Conv1d(
            hidden, channels * radix, 1, groups=cardinality, device=device, dtype=dtype
        )
        nn.init.normal_(self.reduce.weight, std=math.sqrt(2 / hidden))
        nn.init.normal_(self.select.weight, std=math.sqrt(2 / (channels * radix)))

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]`` → R maps, each weighed by its gate, in one."""
        what = f"split_attention with dims={self.dims}"
        x = expect(x, 1, self.channels, what, axes=self.dims + 2)
        maps = torch.relu(self.norm(self.conv(x))).unflatten(1, (self.radix, -1))
        shares = self.excite(squeeze(maps.sum(1), "space")[0])
        out = modulate(maps[:, 0], shares[:, 0])
        for r in range(1, self.radix):
            out = out + modulate(maps[:, r], shares[:, r])
        return out

    def excite(self, mean: Tensor) -> Tensor:
        """Means ``[B, C, 1, …]`` → shares ``[B, R, C]``, whose sum over R is one."""
        hidden = torch.relu(self.hidden_norm(self.reduce(mean.flatten(1).unsqueeze(2))))
        # The official order of the outputs: group, map, channel of the group.
        logits = self.select(hidden).flatten(1).unflatten(1, (self.cardinality, self.radix, -1))
        shares = torch.sigmoid(logits) if self.radix == 1 else logits.softmax(2)
        return shares.transpose(1, 2).flatten(2)


CARD = Card(
    name="split_attention",
    title="Split Attention",
    module=SplitAttention,
    takes="map",
    family=("channel",),
    start="none",
    paper="arXiv:2004.08955",
    year=2020,
    authors="Hang Zhang, Chongruo Wu, Zhongyue Zhang, Yi Zhu, Haibin Lin, Zhi Zhang, Yue Sun, "
    "Tong He, Jonas Mueller, R. Manmatha, Mu Li, Alexander Smola",
    bibtex="""@misc{zhang2020resnest,
  title  = {{ResNeSt}: Split-Attention Networks},
  author = {Zhang, Hang and Wu, Chongruo and Zhang, Zhongyue and Zhu, Yi and Lin, Haibin and
            Zhang, Zhi and Sun, Yue and He, Tong and Mueller, Jonas and Manmatha, R. and Li, Mu
            and Smola, Alexander},
  eprint = {2004.08955},
  year   = {2020}
}""",
    code="https://github.com/zhanghang1989/ResNeSt",
    code_licence="Apache-2.0",
    aliases=("splat", "resnest"),
    variants=("official",),
    parameters="kernel_size**dims*C**2/cardinality + 3*C*radix + 3*max(C*radix//reduction, 32)"
    " + (C + C*radix)*max(C*radix//reduction, 32)/cardinality",
    complexity="O(k²C²HW/K) multiplications a sample",
    dims=(1, 2, 3),
    options={"kernel_size": 3, "radix": 2, "cardinality": 1, "reduction": 4, "dims": 2},
)
