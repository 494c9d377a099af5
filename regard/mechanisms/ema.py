r"""Efficient multi-scale attention (EMA): in each group two branches weigh each other's pixels.

.. math::
   u &= \mathrm{GN}(x\,\sigma(W[\mathrm{mean}_w x])\,\sigma(W[\mathrm{mean}_h x])), \qquad
   v = \mathrm{conv}_{3\times3}(x) \\
   y &= x\,\sigma\left(\mathrm{softmax}(\mathrm{GAP}(u))^\top v
        + \mathrm{softmax}(\mathrm{GAP}(v))^\top u\right)

All G groups of channels share the parameters, as if they were samples. The softmax runs over the
channels of a group; each group gets one gate over space.

Shapes: ``[B, C, H, W]`` → the same. Cost: 10c² + 4c parameters with c = C/G, 9c multiplications a
value for the convolution.

Unlike coordinate attention there is no bottleneck and no BatchNorm: the normalisation is over
space, each channel by itself. The official groups are 32 whatever C is; C must be a multiple.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ..ops import expect, modulate, squeeze
from ._gate import Sigmoid, StartOption, check_size, zero
from ._group_norm import GroupNorm, check_divides


class EfficientMultiScaleAttention(nn.Module):
    """Efficient multi-scale attention (Ouyang et al., arXiv:2305.13563, section 3.2).

    Args:
        channels: C of the map, a multiple of G.
        groups: G; ``factor`` in the official code.
        start: ``paper``: default initialisation and the last gate σ; ``identity``: a zero
            convolution and normalisation, and 2σ.
    """

    def __init__(
        self,
        channels: int,
        groups: int = 32,
        *,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.groups = check_size(channels, "channels"), check_size(groups, "groups")
        width = channels // check_divides(channels, groups, "groups")
        self.norm = GroupNorm(width, width, device, dtype)
        self.strip = nn.Conv2d(width, width, 1, device=device, dtype=dtype)
        self.local = nn.Conv2d(width, width, 3, padding=1, device=device, dtype=dtype)
        self.sigmoid = Sigmoid(start)
        if start == "identity":
            zero(self.norm, self.local)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]``, gated."""
        x = expect(x, 1, self.channels, "ema", axes=4)
        (rows,) = squeeze(x, "width", ("mean",))
        (columns,) = squeeze(x, "height", ("mean",))
        gates = (self.excite(strip) for strip in (rows, columns))
        wide = self.norm(self._apart(modulate(x, *gates)))
        local = self.local(self._apart(x))
        logits = _weighed(wide, local) + _weighed(local, wide)
        gate = self.sigmoid(logits).unflatten(0, (-1, self.groups))
        width = self.channels // self.groups
        return modulate(x, gate.expand(-1, -1, width, -1, -1).flatten(1, 2))

    def excite(self, means: Tensor) -> Tensor:
        """Means of rows or of columns, ``[B, C, H, 1]`` or ``[B, C, 1, W]`` → their gates."""
        logits = self.strip(self._apart(means))
        return torch.sigmoid(logits).unflatten(0, (-1, self.groups)).flatten(1, 2)

    def _apart(self, x: Tensor) -> Tensor:
        """Groups as samples: ``[B, C, …]`` → ``[B·G, C / G, …]``."""
        return x.unflatten(1, (self.groups, -1)).flatten(0, 1)


def _weighed(by: Tensor, pixels: Tensor) -> Tensor:
    """The pixels' channels ``[N, c, H, W]`` summed by a softmax of the other's means."""
    weights = by.mean((2, 3), keepdim=True).softmax(1)
    return (weights * pixels).sum(1, keepdim=True)


CARD = Card(
    name="ema",
    title="Efficient multi-scale attention",
    module=EfficientMultiScaleAttention,
    takes="map",
    family=("channel", "spatial"),
    start="gate",
    paper="arXiv:2305.13563",
    year=2023,
    authors="Daliang Ouyang, Su He, Guozhong Zhang, Mingzhu Luo, Huaiyong Guo, Jian Zhan, "
    "Zhijie Huang",
    bibtex="""@inproceedings{ouyang2023efficient,
  title     = {Efficient Multi-Scale Attention Module with Cross-Spatial Learning},
  author    = {Ouyang, Daliang and He, Su and Zhang, Guozhong and Luo, Mingzhu and Guo, Huaiyong
               and Zhan, Jian and Huang, Zhijie},
  booktitle = {ICASSP},
  year      = {2023}
}""",
    code="https://github.com/YOLOonMe/EMA-attention-module",
    code_licence="no licence",
    aliases=("efficient_multi_scale",),
    variants=("official",),
    parameters="10*(C//groups)**2 + 4*(C//groups)",
    complexity="O(C²/G·HW) multiplications a sample beside some ten passes over the map",
    place="branch",
    dims=(2,),
    options={"groups": 8},
)
