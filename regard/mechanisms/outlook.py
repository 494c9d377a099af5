r"""Outlook attention: each pixel alone says how all pixels around it weigh one another.

.. math::
   A_i = \mathrm{softmax}\bigl(\mathrm{rows\ of}\ (W_a x_i + b_a) / \sqrt{d}\bigr)
         \in [0, 1]^{h \times k^2 \times k^2}, \qquad
   y_p = W \sum_{i:\,p \in \mathrm{win}(i)} \sum_{q \in \mathrm{win}(i)}
         A_i[p - i,\, q - i]\; v_q + b

One linear layer gives the weights, no product of queries and keys. A window k×k around pixel i is
mixed with the weights of i, and what overlapping windows say of a pixel is added up. Values outside
the map are zero.

Shapes: ``[B, C, H, W]`` → the same; h must divide C. Cost: 2C² + C + (C + 1)hk⁴ parameters, about
(2C² + hk⁴C + k⁴C)·HW multiplications a sample, the latter two over s² with a stride s.

As the official code, with the initial weights of its networks. ``stride=2``, as in all VOLO
networks, takes every second window only, with weights from the mean of s×s pixels; the padding is
k // 2. The identity start adds the input and sets W to zero.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import expect
from ._gate import StartOption, adds_input, check_size, check_start, zero
from .multihead import check_heads


class OutlookAttention(nn.Module):
    """Outlook attention of VOLO (Yuan et al., arXiv:2106.13112, section 3.1).

    Args:
        channels: C of the map.
        heads: h; 6 in VOLO-D1, 8 in VOLO-D2.
        kernel_size: k, odd.
        stride: s, of the windows.
        residual: add the input to the result; by default only at an identity start.
        start: ``paper``, or ``identity``: W zero, the input added.
    """

    def __init__(
        self,
        channels: int,
        heads: int = 8,
        kernel_size: int = 3,
        *,
        stride: int = 1,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        self.heads, self.stride = check_heads(channels, heads), check_size(stride, "stride")
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise RegardError(
                f"kernel_size is {kernel_size}; outlook needs an odd number, 3, 5, 7, …"
            )
        if stride > kernel_size:
            raise RegardError(
                f"a stride of {stride} leaves pixels between windows of {kernel_size}; "
                f"1 to {kernel_size} work"
            )
        self.kernel_size = kernel_size
        self.value = nn.Linear(channels, channels, bias=False, device=device, dtype=dtype)
        self.weigh = nn.Linear(channels, heads * kernel_size**4, device=device, dtype=dtype)
        self.output = nn.Linear(channels, channels, device=device, dtype=dtype)
        for layer in (self.value, self.weigh, self.output):
            nn.init.trunc_normal_(layer.weight, std=0.02)
        nn.init.zeros_(self.weigh.bias)
        nn.init.zeros_(self.output.bias)
        self.residual = adds_input(start, residual)
        if check_start(start) == "identity":
            zero(self.output)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]`` → windows mixed and added up, of the same shape."""
        x = expect(x, 1, self.channels, "outlook", axes=4)
        window = {
            "kernel_size": self.kernel_size,
            "padding": self.kernel_size // 2,
            "stride": self.stride,
        }
        value = self.value(x.movedim(1, -1)).movedim(-1, 1)
        windows = F.unfold(value, **window).unflatten(1, (self.heads, -1, self.kernel_size**2))
        mixed = self.weights(x) @ windows.permute(0, 1, 4, 3, 2)  # [B, h, N, k², C / h]
        columns = mixed.permute(0, 1, 4, 3, 2).flatten(1, 3)
        added = F.fold(columns, (x.shape[2], x.shape[3]), **window)
        out: Tensor = self.output(added.movedim(1, -1)).movedim(-1, 1)
        return x + out if self.residual else out

    def weights(self, x: Tensor) -> Tensor:
        """Of a window's pixels over its pixels, ``[B, h, windows, k², k²]``; rows sum to one."""
        if self.stride > 1:
            x = F.avg_pool2d(x, self.stride, self.stride, ceil_mode=True)
        taps = self.kernel_size**2
        logits = self.weigh(x.flatten(2).transpose(1, 2)).unflatten(2, (self.heads, taps, taps))
        scaled = logits.transpose(1, 2) * (self.channels // self.heads) ** -0.5
        softened: Tensor = scaled.softmax(-1)
        return softened


CARD = Card(
    name="outlook",
    title="Outlook attention",
    module=OutlookAttention,
    takes="map",
    family=("spatial",),
    start="residual",
    paper="arXiv:2106.13112",
    year=2021,
    authors="Li Yuan, Qibin Hou, Zihang Jiang, Jiashi Feng, Shuicheng Yan",
    bibtex="""@article{yuan2021volo,
  title   = {{VOLO}: Vision Outlooker for Visual Recognition},
  author  = {Yuan, Li and Hou, Qibin and Jiang, Zihang and Feng, Jiashi and Yan, Shuicheng},
  journal = {arXiv preprint arXiv:2106.13112},
  year    = {2021}
}""",
    code="https://github.com/sail-sg/volo",
    code_licence="Apache-2.0",
    aliases=("outlooker", "volo"),
    variants=("official",),
    parameters="2*C**2 + C + (C + 1)*heads*kernel_size**4",
    complexity="O((C² + h·k⁴·C)·HW) multiplications a sample, windows in memory",
    place="stage",
    dims=(2,),
    options={"heads": 8, "kernel_size": 3},
)
