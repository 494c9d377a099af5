r"""Criss-cross attention: every pixel over its row and its column; twice, and it has seen all.

.. math::
   y_u = \gamma \sum_{j \in \mathrm{cross}(u)} \mathrm{softmax}_j(q_u \cdot k_j)\, v_j + x_u

The cross of a pixel is its H + W − 1 neighbours in its column and row, itself counted once; one
softmax runs over all of them. q and k are 1×1 convolutions to C/8 channels, v is one to C. γ is a
number that starts at zero: the identity. The logits are not scaled.

Shapes: ``[B, C, H, W]`` → the same. Cost: 1.25C² + 1.25C + 1 parameters, about 1.1C·HW·(H + W)
multiplications a sample and pass.

The official module makes one pass; the network applies it R = 2 times with the same weights (RCCA),
after which information has come from every pixel. That is the default, ``recurrence=2``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ..ops import expect
from ._gate import StartOption, check_size, check_start


class CrissCrossAttention(nn.Module):
    """Recurrent criss-cross attention (Huang et al., arXiv:1811.11721, eq. 1 and 2).

    Args:
        channels: C of the map.
        reduction: queries and keys have max(1, C // reduction) channels.
        recurrence: R, passes with the same weights.
        start: both ``paper`` and ``identity`` begin as the identity.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 8,
        *,
        recurrence: int = 2,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        self.recurrence = check_size(recurrence, "recurrence")
        inner = max(1, channels // check_size(reduction, "reduction"))
        check_start(start)
        self.query = nn.Conv2d(channels, inner, 1, device=device, dtype=dtype)
        self.key = nn.Conv2d(channels, inner, 1, device=device, dtype=dtype)
        self.value = nn.Conv2d(channels, channels, 1, device=device, dtype=dtype)
        self.gamma = nn.Parameter(torch.zeros(1, device=device, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]`` plus γ times what each pixel gathers along its cross, R times."""
        x = expect(x, 1, self.channels, "criss_cross", axes=4)
        for _ in range(self.recurrence):
            x = self.gamma * self._gather(x) + x
        return x

    def _gather(self, x: Tensor) -> Tensor:
        """Sums ``[B, C, H, W]`` over each pixel's cross."""
        value = self.value(x)
        weights = self.weights(x)
        along_column = weights[..., : x.shape[2]].permute(0, 2, 1, 3)  # [B, W, H, H]
        along_row = weights[..., x.shape[2] :]  # [B, H, W, W]
        from_column = along_column @ value.permute(0, 3, 2, 1)  # [B, W, H, C]
        from_row = along_row @ value.permute(0, 2, 3, 1)  # [B, H, W, C]
        return from_column.permute(0, 3, 2, 1) + from_row.permute(0, 3, 1, 2)

    def weights(self, x: Tensor) -> Tensor:
        """Of each pixel over its column, then its row: ``[B, H, W, H + W]``; they sum to one.

        The pixel itself is left out of its column, where its weight is zero.
        """
        query, key = self.query(x), self.key(x)
        column = query.permute(0, 3, 2, 1) @ key.permute(0, 3, 1, 2)  # [B, W, H, H]
        row = query.permute(0, 2, 3, 1) @ key.permute(0, 2, 1, 3)  # [B, H, W, W]
        place = torch.arange(x.shape[2], device=x.device)
        column = column.masked_fill(place == place.unsqueeze(1), float("-inf"))
        return torch.cat([column.permute(0, 2, 1, 3), row], 3).softmax(3)


CARD = Card(
    name="criss_cross",
    title="Criss-cross attention",
    module=CrissCrossAttention,
    takes="map",
    family=("spatial",),
    start="residual",
    paper="arXiv:1811.11721",
    year=2019,
    authors="Zilong Huang, Xinggang Wang, Lichao Huang, Chang Huang, Yunchao Wei, Wenyu Liu",
    bibtex="""@inproceedings{huang2019ccnet,
  title     = {{CCNet}: Criss-Cross Attention for Semantic Segmentation},
  author    = {Huang, Zilong and Wang, Xinggang and Huang, Lichao and Huang, Chang
               and Wei, Yunchao and Liu, Wenyu},
  booktitle = {ICCV},
  year      = {2019}
}""",
    code="https://github.com/speedinghzl/CCNet",
    code_licence="MIT",
    aliases=("ccnet", "cca", "rcca"),
    variants=("official",),
    parameters="2*(C + 1)*max(1, C//reduction) + C**2 + C + 1",
    complexity="O(C²·HW + C·HW·(H + W)) multiplications a sample and pass",
    place="stage",
    dims=(2,),
    options={"reduction": 8},
)
