r"""Neighbourhood attention of NAT: every pixel attends to the k × k pixels nearest to it.

.. math:: y_i = W_o\,\mathrm{softmax}_{j \in \rho(i)}
          \left(\frac{q_i^\top k_j}{\sqrt{d}} + B[j - i]\right) v_j

Near the border the neighbourhood stays inside the map and is no longer centred: every pixel has k²
neighbours. B is a learned table of (2k-1)² offsets a head. With ``dilation`` δ (DiNAT) the
neighbours are δ pixels apart.

Shapes: ``[B, C, H, W]`` → the same. Cost: 4C² + 4C + (2k-1)²h parameters, 4C²HW + 2k²CHW
multiplications a sample. The neighbours' keys and values are gathered, k² times the map in memory;
NATTEN's kernels do without.

A map with a side below kδ is padded with zeros below and to the right, and as in the official
module the padding takes part. Heads are 32 channels wide by default, as in all NAT networks. Start:
``identity`` adds the result to the input, as a NAT block does, with a zero output projection.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cards import Card
from ..ops import attend, expect
from ._gate import StartOption, adds_input, check_size, check_start, zero
from ._windows import check_odd, default_heads, truncated


class NeighbourhoodAttention(nn.Module):
    """Neighbourhood attention (Hassani et al., arXiv:2204.07143, section 3).

    Args:
        channels: C of the map.
        kernel_size: k, odd.
        heads: h; by default heads of 32 channels or, where those do not divide C, wider ones.
        dilation: δ, the distance of neighbours.
        bias: biases of queries, keys and values.
        residual: add the input to the result; by default only at an identity start.
        start: ``paper``, or ``identity``: a zero output projection, and the input added.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 7,
        heads: int | None = None,
        *,
        dilation: int = 1,
        bias: bool = True,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        self.kernel_size = check_odd(kernel_size, "kernel_size")
        self.dilation = check_size(dilation, "dilation")
        self.heads = default_heads(channels, heads)
        self.residual = adds_input(check_start(start), residual)
        self.qkv = nn.Linear(channels, 3 * channels, bias, device, dtype)
        side = 2 * kernel_size - 1
        table = torch.empty(self.heads, side, side, device=device, dtype=dtype)
        self.position = nn.Parameter(nn.init.trunc_normal_(table, std=0.02))
        self.output = nn.Linear(channels, channels, device=device, dtype=dtype)
        truncated(self.qkv, self.output)
        if start == "identity":
            zero(self.output)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]``, every pixel attending to its neighbours."""
        x = expect(x, 1, self.channels, "neighbourhood", axes=4)
        height, width, least = x.shape[2], x.shape[3], self.kernel_size * self.dilation
        missing = torch.sym_max(0, least - width), torch.sym_max(0, least - height)
        padded = F.pad(x, (0, missing[0], 0, missing[1]))  # type: ignore[arg-type]
        split = self.qkv(padded.permute(0, 2, 3, 1)).unflatten(3, (3, self.heads, -1))
        query, key, value = split.permute(3, 0, 4, 1, 2, 5).flatten(3, 4).unbind(0)
        near, bias = self._neighbours(padded.shape[2], padded.shape[3], x.device)
        # Heads and queries side by side, for each query has keys of its own.
        query = query.flatten(1, 2).unsqueeze(2)
        out = attend(query, _gathered(key, near), _gathered(value, near), bias=bias)
        out = out.squeeze(2).unflatten(1, (self.heads, padded.shape[2], padded.shape[3]))
        y = self.output(out.permute(0, 2, 3, 1, 4).flatten(3))[:, :height, :width]
        y = y.permute(0, 3, 1, 2)
        return x + y if self.residual else y

    def _neighbours(self, height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Neighbours of all pixels in reading order ``[HW, k²]``, and bias ``[h·HW, 1, k²]``."""
        rows, down = self._along(height, device)
        columns, across = self._along(width, device)
        near = rows[:, None, :, None] * width + columns[None, :, None, :]
        bias = self.position[:, down[:, None, :, None], across[None, :, None, :]]
        return near.flatten(2).flatten(0, 1), bias.flatten(3).flatten(0, 2).unsqueeze(1)

    def _along(self, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Neighbours of every place along a side ``[n, k]``, and where their offsets stand in B."""
        k, dilation = self.kernel_size, self.dilation
        place = torch.arange(size, device=device)
        # Places that are multiples of the dilation apart are a line of their own.
        index, line = place // dilation, place % dilation
        length = (size - line + dilation - 1) // dilation
        first = torch.minimum((index - k // 2).clamp(min=0), length - k)
        chosen = first[:, None] + torch.arange(k, device=device)
        return chosen * dilation + line[:, None], chosen - index[:, None] + k - 1


def _gathered(x: Tensor, near: Tensor) -> Tensor:
    """``[B, h, N, d]`` at indices ``[N, k²]``: ``[B, h·N, k², d]``."""
    found = x.index_select(2, near.flatten())
    return found.unflatten(2, (-1, near.shape[1])).flatten(1, 2)


CARD = Card(
    name="neighbourhood",
    title="Neighbourhood attention (NAT)",
    module=NeighbourhoodAttention,
    takes="map",
    family=("spatial",),
    start="residual",
    paper="arXiv:2204.07143",
    year=2023,
    authors="Ali Hassani, Steven Walton, Jiachen Li, Shen Li, Humphrey Shi",
    bibtex="""@inproceedings{hassani2023neighborhood,
  title     = {Neighborhood Attention {Transformer}},
  author    = {Hassani, Ali and Walton, Steven and Li, Jiachen and Li, Shen and Shi, Humphrey},
  booktitle = {CVPR},
  year      = {2023}
}""",
    code="https://github.com/SHI-Labs/NATTEN",
    code_licence="MIT",
    aliases=("neighborhood", "neighborhood_attention", "natten", "nat", "dinat"),
    variants=("official",),
    parameters="4*C**2 + 4*C + (2*kernel_size - 1)**2*max(1, C//32)",
    complexity="O(HW·C² + k²·HW·C) multiplications, O(k²·HW·C) memory",
    place="stage",
    options={"kernel_size": 3},
)
