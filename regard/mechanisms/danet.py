r"""The two attentions of DANet: every pixel over all pixels, every channel over all channels.

.. math::
   \text{position:}\quad y_i &= \gamma \sum_j \mathrm{softmax}_j(q_i \cdot k_j)\, v_j + x_i \\
   \text{channel:}\quad y_c &= \gamma \sum_d \mathrm{softmax}_d(\pm x_c \cdot x_d)\, x_d + x_c

with q and k 1×1 convolutions to C/8 channels and v one to C. γ is a number that starts at zero:
both begin as the identity. The logits are not scaled.

Shapes: ``[B, C, *space]`` → the same. Cost: 1.25C² + 1.25C + 1 parameters and about 1.1C·(HW)²
multiplications a sample for the position, 1 parameter and 2C²·HW for the channels.

Paper and code differ in the sign of the channel attention: the paper takes softmax(+x·x), so that a
channel attends most to itself; the official code (default) takes softmax(max − x·x), which is
softmax(−x·x), so that it attends to the channels most unlike it.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from ..cards import Card
from ..ops import attend, expect
from ._gate import StartOption, check_size, check_start, check_variant
from ._pixels import project

VARIANTS = ("official", "paper")
Device = torch.device | str | None


class PositionAttention(nn.Module):
    """Position attention of DANet (Fu et al., arXiv:1809.02983, eq. 1 and 2).

    Args:
        channels: C of the map.
        reduction: queries and keys have max(1, C // reduction) channels.
        start: both ``paper`` and ``identity`` begin as the identity.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 8,
        *,
        start: StartOption = "paper",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        inner = max(1, channels // check_size(reduction, "reduction"))
        check_start(start)
        self.query = nn.Conv2d(channels, inner, 1, device=device, dtype=dtype)
        self.key = nn.Conv2d(channels, inner, 1, device=device, dtype=dtype)
        self.value = nn.Conv2d(channels, channels, 1, device=device, dtype=dtype)
        self.gamma = nn.Parameter(torch.zeros(1, device=device, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]`` plus γ times what each pixel gathers from all."""
        x = expect(x, 1, self.channels, "danet_position")
        query, key, value = (project(x, layer) for layer in (self.query, self.key, self.value))
        gathered = attend(query, key, value, "dot").transpose(1, 2).reshape(x.shape)
        return self.gamma * gathered + x


class ChannelAttention(nn.Module):
    """Channel attention of DANet (Fu et al., arXiv:1809.02983, eq. 3 and 4).

    Args:
        channels: C of the map.
        variant: ``official`` or ``paper``, see the top of the file.
        start: both ``paper`` and ``identity`` begin as the identity.
    """

    def __init__(
        self,
        channels: int,
        *,
        variant: str = "official",
        start: StartOption = "paper",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        self.sign = -1 if check_variant(variant, VARIANTS) == "official" else 1
        check_start(start)
        self.gamma = nn.Parameter(torch.zeros(1, device=device, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]`` plus γ times what each channel gathers from all."""
        x = expect(x, 1, self.channels, "danet_channel")
        rows = x.flatten(2)
        gathered = attend(self.sign * rows, rows, rows, "dot").reshape(x.shape)
        return self.gamma * gathered + x


POSITION_CARD = Card(
    name="danet_position",
    title="DANet, position attention",
    module=PositionAttention,
    takes="map",
    family=("spatial",),
    start="residual",
    paper="arXiv:1809.02983",
    year=2019,
    authors="Jun Fu, Jing Liu, Haijie Tian, Yong Li, Yongjun Bao, Zhiwei Fang, Hanqing Lu",
    bibtex="""@inproceedings{fu2019dual,
  title     = {Dual Attention Network for Scene Segmentation},
  author    = {Fu, Jun and Liu, Jing and Tian, Haijie and Li, Yong and Bao, Yongjun
               and Fang, Zhiwei and Lu, Hanqing},
  booktitle = {CVPR},
  year      = {2019}
}""",
    code="https://github.com/junfu1115/DANet",
    code_licence="MIT",
    aliases=("pam", "position_attention"),
    variants=("official",),
    parameters="2*(C + 1)*max(1, C//reduction) + C**2 + C + 1",
    complexity="O(C²·HW + C·(HW)²) multiplications a sample, O(C·HW) memory when fused",
    place="stage",
    dims=(1, 2, 3),
    options={"reduction": 8},
)
CARDS = (
    POSITION_CARD,
    replace(
        POSITION_CARD,
        name="danet_channel",
        title="DANet, channel attention",
        module=ChannelAttention,
        family=("channel",),
        aliases=("cam", "channel_attention"),
        variants=VARIANTS,
        parameters="1",
        complexity="O(C²·HW) multiplications a sample",
        options={},
        waives={
            "alive": "its logits are sums over all pixels, unscaled: of two channels each takes "
            "the other, whatever they show"
        },
    ),
)
