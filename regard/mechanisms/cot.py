r"""Contextual Transformer block: a static context of the neighbours, and one that looks at both.

.. math::
   k &= \mathrm{relu}(\mathrm{BN}(\mathrm{conv}_{k\times k}(x))), \qquad
   w = \mathrm{GN}(W_2\,\mathrm{relu}(\mathrm{BN}(W_1[x; k]))), \\
   d_c(p) &= \mathrm{swish}\Bigl(\mathrm{BN}\bigl(\textstyle\sum_{q}
             w_{c \bmod C/8,\,q}(p)\, v_c(p + q)\bigr)\Bigr), \qquad v = \mathrm{BN}(W_v x), \\
   y_c &= a_c\, d_c + (1 - a_c)\, k_c

Weights for the k² neighbours of each pixel come from the pixel and its static context k, not from
products of pairs, and without a softmax; channels c and c + C/8 share them. a is a softmax over the
two branches, excited by the mean of their sum as in SK.

Shapes: ``[B, C, H, W]`` → the same; C divisible by 8. In the paper it replaces the 3×3 convolution
of a bottleneck. Cost for k = 3: 4.8C² + 12.4C + 3·max(C/2, 32)·(C + 1) parameters, 26,744 where
C = 64, and about (4.8C² + 9C)·HW multiplications a sample.

As the official code, with the initial weights of its networks (Kaiming, fan out). Its convolution
with local weights is a CUDA kernel there, a sum of shifted maps here. There is no residual:
``start="identity"`` adds the input and multiplies the block by a factor a channel, a parameter that
is not there otherwise and starts at zero.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import expect
from ._gate import StartOption, adds_input, check_size, check_start

SHARED = 8  # channels that share their weights
GROUPS = 4


class ContextualTransformer(nn.Module):
    """Contextual Transformer block (Li et al., arXiv:2107.12292, section 3.2).

    Args:
        channels: C of the map, divisible by 8.
        kernel_size: k, odd.
        residual: add the input to the result; by default only at an identity start.
        start: ``paper``, or ``identity``: x + factor·block, the factor zero.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 3,
        *,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        if channels % SHARED:
            raise RegardError(f"channels is {channels}; cot needs a multiple of {SHARED}")
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise RegardError(f"kernel_size is {kernel_size}; cot needs an odd number, 3, 5, 7, …")
        self.kernel_size = kernel_size
        where: dict[str, Any] = {"device": device, "dtype": dtype}
        weights = kernel_size**2 * channels // SHARED
        self.static = nn.Sequential(
            nn.Conv2d(
                channels, channels, kernel_size, padding=kernel_size // 2, groups=GROUPS,
                bias=False, **where,
            ),
            nn.BatchNorm2d(channels, **where),
            nn.ReLU(),
        )  # fmt: skip
        self.embed = nn.Sequential(
            nn.Conv2d(2 * channels, channels // 2, 1, bias=False, **where),
            nn.BatchNorm2d(channels // 2, **where),
            nn.ReLU(),
            nn.Conv2d(channels // 2, weights, 1, **where),
            nn.GroupNorm(channels // SHARED, weights, **where),
        )
        self.value = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False, **where),
            nn.BatchNorm2d(channels, **where),
        )
        self.norm = nn.BatchNorm2d(channels, **where)
        self.mix = _mixer(channels, max(channels // 2, 32), device, dtype)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        self.factor = None
        self.residual = adds_input(start, residual)
        if check_start(start) == "identity":
            self.factor = nn.Parameter(torch.zeros(channels, 1, 1, **where))

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]`` → its static and dynamic context, mixed, of the same shape."""
        x = expect(x, 1, self.channels, "cot", axes=4)
        static = self.static(x)
        weights = self.embed(torch.cat([x, static], 1))
        dynamic = F.silu(self.norm(local_sum(self.value(x), weights, self.kernel_size)))
        logits = self.mix((dynamic + static).mean((2, 3), keepdim=True))
        share = logits.unflatten(1, (-1, 2)).softmax(2)  # the two branches lie side by side
        mixed: Tensor = dynamic * share[:, :, 0] + static * share[:, :, 1]
        if self.factor is not None:
            mixed = self.factor * mixed
        return x + mixed if self.residual else mixed


def local_sum(value: Tensor, weights: Tensor, kernel_size: int) -> Tensor:
    """Weighted sums over each pixel's neighbours, zero outside the map.

    Args:
        value: ``[B, C, H, W]``.
        weights: ``[B, (C / 8)·k², H, W]``; channels c and c + C / 8 share them.
        kernel_size: k.
    """
    height, width = value.shape[2], value.shape[3]
    padded = F.pad(value, [kernel_size // 2] * 4).unflatten(1, (SHARED, -1))
    weights = weights.unflatten(1, (-1, kernel_size**2)).unsqueeze(1)  # [B, 1, C/8, k², H, W]
    out = torch.zeros_like(value).unflatten(1, (SHARED, -1))
    for tap in range(kernel_size**2):
        i, j = divmod(tap, kernel_size)
        out = out + padded[..., i : i + height, j : j + width] * weights[:, :, :, tap]
    return out.flatten(1, 2)


def _mixer(
    channels: int, hidden: int, device: torch.device | str | None, dtype: torch.dtype | None
) -> nn.Sequential:
    """Logits of two branches for every channel, from the mean of their sum."""
    return nn.Sequential(
        nn.Conv2d(channels, hidden, 1, device=device, dtype=dtype),
        nn.BatchNorm2d(hidden, device=device, dtype=dtype),
        nn.ReLU(),
        nn.Conv2d(hidden, 2 * channels, 1, device=device, dtype=dtype),
    )


CARD = Card(
    name="cot",
    title="Contextual Transformer block",
    module=ContextualTransformer,
    takes="map",
    family=("spatial", "channel"),
    start="residual",
    paper="arXiv:2107.12292",
    year=2021,
    authors="Yehao Li, Ting Yao, Yingwei Pan, Tao Mei",
    bibtex="""@article{li2021contextual,
  title   = {Contextual Transformer Networks for Visual Recognition},
  author  = {Li, Yehao and Yao, Ting and Pan, Yingwei and Mei, Tao},
  journal = {arXiv preprint arXiv:2107.12292},
  year    = {2021}
}""",
    code="https://github.com/JDAI-CV/CoTNet",
    code_licence="Apache-2.0",
    aliases=("contextual_transformer", "cotnet"),
    variants=("official",),
    parameters="(5*kernel_size**2/16 + 2)*C**2 + (3*kernel_size**2/8 + 9)*C"
    " + 3*max(C//2, 32)*(C + 1)",
    complexity="O(k²·C²·HW) multiplications a sample",
    place="stage",
    dims=(2,),
    options={"kernel_size": 3},
)
