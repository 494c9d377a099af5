r"""Efficient Channel Attention: each channel looks at its k nearest neighbours, without reduction.

.. math:: y = x \cdot \sigma(\mathrm{conv1d}_k(\mathrm{GAP}(x))), \qquad
          k = \left|\tfrac{\log_2 C}{\gamma} + \tfrac{b}{\gamma}\right|_{odd}

A k-tap convolution over the channels, not a 1×1 convolution over the map. No bias.

Shapes: ``[B, C, *space]`` → the same. Cost: k parameters, kC multiplications a sample.

Paper and code differ: the official repository has no adaptive rule, its networks take one k a
stage (3 everywhere by default; 3, 5, 5, 7 in the released ResNet-50). A single module cannot know
its stage, so the default here is the paper's rule, ties resolved upward (C = 128 → 5, 2048 → 7);
``variant="official"`` gives k = 3, and ``kernel_size=`` any other.

``eca_circular`` is timm's: the last channel is a neighbour of the first, and k is 3 at least.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import Neighbours, Step, expect, gate
from ._gate import Sigmoid, StartOption, check_size, check_variant, zero


class EfficientChannelAttention(nn.Module):
    """Efficient Channel Attention (Wang et al., arXiv:1910.03151, eq. 5, 7 and 12).

    Args:
        channels: C of the map.
        kernel_size: k, odd; by default the rule of the variant.
        gamma, b: of the paper's rule.
        variant: ``paper``: k from C; ``official``: k = 3.
        start: ``paper``: default initialisation and gate σ; ``identity``: a zero kernel and 2σ.
    """

    padding_mode: ClassVar[Literal["zeros", "circular"]] = "zeros"

    def __init__(
        self,
        channels: int,
        kernel_size: int | None = None,
        *,
        gamma: float = 2.0,
        b: float = 1.0,
        variant: str = "paper",
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        check_variant(variant, ("paper", "official"))
        if kernel_size is None:
            kernel_size = 3 if variant == "official" else adaptive_kernel(channels, gamma, b)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise RegardError(f"kernel_size is {kernel_size}; eca needs an odd number, 1, 3, 5, …")
        self.conv = nn.Conv1d(
            1, 1, kernel_size, padding=kernel_size // 2, padding_mode=self.padding_mode, bias=False,
            device=device, dtype=dtype,
        )  # fmt: skip
        self.sigmoid = Sigmoid(start)
        if start == "identity":
            zero(self.conv)

    @property
    def step(self) -> Step:
        """Its one step of a gating."""
        return Step("space", ("mean",), Neighbours(self.conv, self.sigmoid))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``x [B, C, *space]``, gated; ``mask`` is boolean ``[B, *space]``, True = real."""
        x = expect(x, 1, self.channels, "eca")
        return gate(x, self.step, mask=mask, spent=True)


class CircularEfficientChannelAttention(EfficientChannelAttention):
    """Efficient Channel Attention with the channels in a ring: none lies at an end.

    Args:
        channels: C of the map.
        kernel_size: k, odd, at most 2C + 1; by default the paper's rule, and 3 at least.
        gamma, b: of the paper's rule.
        start: ``paper``: default initialisation and gate σ; ``identity``: a zero kernel and 2σ.
    """

    padding_mode = "circular"

    def __init__(
        self,
        channels: int,
        kernel_size: int | None = None,
        *,
        gamma: float = 2.0,
        b: float = 1.0,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_size(channels, "channels")
        if kernel_size is None:
            kernel_size = max(3, adaptive_kernel(channels, gamma, b))
        if kernel_size // 2 > channels:
            raise RegardError(
                f"kernel_size is {kernel_size}; a ring of {channels} channels takes at most "
                f"{2 * channels + 1}"
            )
        super().__init__(channels, kernel_size, start=start, device=device, dtype=dtype)


def adaptive_kernel(channels: int, gamma: float = 2.0, b: float = 1.0) -> int:
    """The paper's k for C channels (eq. 12): the odd number nearest above the truncated value."""
    k = int(abs((math.log2(channels) + b) / gamma))
    return k if k % 2 else k + 1


ECA_CARD = Card(
    name="eca",
    title="Efficient Channel Attention",
    module=EfficientChannelAttention,
    takes="map",
    family=("channel",),
    start="gate",
    paper="arXiv:1910.03151",
    year=2020,
    authors="Qilong Wang, Banggu Wu, Pengfei Zhu, Peihua Li, Wangmeng Zuo, Qinghua Hu",
    bibtex="""@inproceedings{wang2020eca,
  title     = {{ECA-Net}: Efficient Channel Attention for Deep Convolutional Neural Networks},
  author    = {Wang, Qilong and Wu, Banggu and Zhu, Pengfei and Li, Peihua and Zuo, Wangmeng
               and Hu, Qinghua},
  booktitle = {CVPR},
  year      = {2020}
}""",
    code="https://github.com/BangguWu/ECANet",
    code_licence="MIT",
    aliases=("eca_net", "ecanet"),
    variants=("paper", "official"),
    parameters="int((log2(C) + 1) / 2) // 2 * 2 + 1",
    complexity="O(kC) multiplications a sample beside two passes over the map",
    place="branch",
    dims=(1, 2, 3),
)
CARDS = (
    ECA_CARD,
    replace(
        ECA_CARD,
        name="eca_circular",
        title="Circular Efficient Channel Attention",
        module=CircularEfficientChannelAttention,
        code="https://github.com/huggingface/pytorch-image-models",
        code_licence="Apache-2.0",
        aliases=("ceca",),
        variants=("official",),
        parameters="max(3, int((log2(C) + 1) / 2) // 2 * 2 + 1)",
    ),
)
