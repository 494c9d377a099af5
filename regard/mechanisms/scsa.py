r"""Spatial and channel synergistic attention (SCSA): strips at four scales, then channels.

.. math::
   x' &= x \cdot g_h(\mathrm{mean}_w x) \cdot g_w(\mathrm{mean}_h x), \qquad
   g(z) = \sigma(\mathrm{GN}_4([\mathrm{dw}_3 z_1; \mathrm{dw}_5 z_2; \mathrm{dw}_7 z_3;
          \mathrm{dw}_9 z_4])) \\
   p &= \mathrm{GN}_1(\mathrm{pool}_{7\times7}(x')), \qquad
   y = x' \cdot \sigma\left(\mathrm{mean}_n\ \mathrm{softmax}(Q K^\top / \sqrt{C/h})\, V\right)

The channels attend to each other: Q, K and V are p times one number a channel, and their features
are the windows. What the spatial half has marked guides the channel half.

Shapes: ``[B, C, H, W]`` → the same. Cost: 16C parameters, 2C²N/h multiplications for N windows.

One head by default, as in the released configurations (the paper's first version has eight). Both
strips share the four convolutions, which have biases; C must be a multiple of 4 and of h. The
official pooling needs a map of at least one window; a smaller map is one window here.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cards import Card
from ..ops import attend, expect, modulate, squeeze
from ._gate import Sigmoid, StartOption, check_size, zero
from ._group_norm import GroupNorm, check_divides

KERNELS = (3, 5, 7, 9)
PARTS = len(KERNELS)


class SpatialChannelSynergisticAttention(nn.Module):
    """Spatial and channel synergistic attention (Si et al., arXiv:2407.05128, eq. 1 to 10).

    Args:
        channels: C of the map, a multiple of 4 and of the heads.
        heads: h; a channel attends only to those of its head.
        window: side of the windows that the channel half sees.
        start: ``paper``: default initialisation and gates σ; ``identity``: zero normalisations of
            the strips and zero values, and gates 2σ.
    """

    def __init__(
        self,
        channels: int,
        heads: int = 1,
        *,
        window: int = 7,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        self.heads = check_divides(channels, check_size(heads, "heads"), "heads")
        self.window = check_size(window, "window")
        width = channels // check_divides(channels, PARTS, "parts")
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.strips = nn.ModuleList(
            nn.Conv1d(width, width, k, padding=k // 2, groups=width, **made) for k in KERNELS
        )
        self.norm_height = GroupNorm(PARTS, channels, device, dtype)
        self.norm_width = GroupNorm(PARTS, channels, device, dtype)
        self.norm = GroupNorm(1, channels, device, dtype)
        self.query = nn.Conv2d(channels, channels, 1, groups=channels, bias=False, **made)
        self.key = nn.Conv2d(channels, channels, 1, groups=channels, bias=False, **made)
        self.value = nn.Conv2d(channels, channels, 1, groups=channels, bias=False, **made)
        self.sigmoid = Sigmoid(start)
        if start == "identity":
            zero(self.norm_height, self.norm_width, self.value)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]``, gated by rows and columns and the result over channels."""
        x = expect(x, 1, self.channels, "scsa", axes=4)
        (rows,) = squeeze(x, "width", ("mean",))
        (columns,) = squeeze(x, "height", ("mean",))
        gate_height = self.sigmoid(self.norm_height(self._scales(rows))).unsqueeze(3)
        gate_width = self.sigmoid(self.norm_width(self._scales(columns))).unsqueeze(2)
        x = modulate(x, gate_height, gate_width)
        return modulate(x, self.over_channels(x))

    def _scales(self, means: Tensor) -> Tensor:
        """Means of rows or of columns → ``[B, C, N]``, each quarter at its own scale."""
        parts = means.flatten(2).unflatten(1, (PARTS, -1))
        return torch.cat([conv(parts[:, i]) for i, conv in enumerate(self.strips)], 1)

    def over_channels(self, x: Tensor) -> Tensor:
        """The gate ``[B, C, 1, 1]``."""
        pooled = self.norm(window_means(x, self.window))
        query, key, value = (
            layer(pooled).flatten(2).unflatten(1, (self.heads, -1))
            for layer in (self.query, self.key, self.value)
        )
        query = query * (self.channels // self.heads) ** -0.5
        # The mean over windows may as well be taken before the channels are summed.
        found = attend(query, key, value.mean(-1, keepdim=True), "dot")
        gate: Tensor = self.sigmoid(found.flatten(1, 2).unsqueeze(-1))
        return gate


def window_means(x: Tensor, window: int) -> Tensor:
    """Means of a map ``[B, C, H, W]`` over windows side by side, what is left over dropped.

    A side shorter than the window is one window.
    """
    rows = _shares(x.shape[2], window, x)
    columns = _shares(x.shape[3], window, x)
    across = F.linear(x.contiguous(), columns).transpose(2, 3)
    return F.linear(across.contiguous(), rows).transpose(2, 3)


def _shares(size: int, window: int, like: Tensor) -> Tensor:
    """Matrix ``[windows, size]`` that averages pixels into windows."""
    width: Any = torch.sym_min(size, window)
    count: Any = torch.sym_max(size // window, 1)
    place = torch.arange(size, device=like.device) // width
    inside = place == torch.arange(count, device=like.device).unsqueeze(1)
    return inside.to(like.dtype) / width


CARD = Card(
    name="scsa",
    title="Spatial and channel synergistic attention",
    module=SpatialChannelSynergisticAttention,
    takes="map",
    family=("channel", "spatial"),
    start="gate",
    paper="arXiv:2407.05128",
    year=2024,
    authors="Yunzhong Si, Huiying Xu, Xinzhong Zhu, Wenhao Zhang, Yao Dong, Yuxing Chen, Hongbo Li",
    bibtex="""@article{si2024scsa,
  title   = {{SCSA}: Exploring the Synergistic Effects Between Spatial and Channel Attention},
  author  = {Si, Yunzhong and Xu, Huiying and Zhu, Xinzhong and Zhang, Wenhao and Dong, Yao
             and Chen, Yuxing and Li, Hongbo},
  journal = {arXiv preprint arXiv:2407.05128},
  year    = {2024}
}""",
    code="https://github.com/HZAI-ZJNU/SCSA",
    aliases=("spatial_channel_synergistic",),
    variants=("official",),
    parameters="16*C",
    complexity="O(C²·HW/(h·49)) multiplications a sample beside six passes over the map",
    place="branch",
    dims=(2,),
    options={"heads": 1},
)
