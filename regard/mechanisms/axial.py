r"""Axial attention of Axial-DeepLab: along each column, then along each row, knowing positions.

.. math::
   y_o = \sum_p \mathrm{softmax}_p
         \left(q_o^\top k_p + q_o^\top r^q_{p-o} + k_p^\top r^k_{p-o}\right) (v_p + r^v_{p-o})

Two passes over one axis each see the whole map for the price of HW(H + W) pairs instead of (HW)².
Keys and queries are half as wide as values; r are learned vectors, one for each offset and shared
by the heads (the official tables of queries and values run backwards, from o - p).

Shapes: ``[B, C, H, W]`` → the same. Cost: 2(2C² + (2s-1)·2C/h) parameters and those of the
normalisations, 8C + 6h a pass.

As in the official code the three scores, the projections and the two sums of values each pass a
BatchNorm, and there is no 1/√d. The official module is built for one size s of the map, its span;
ours takes any: shorter axes use the middle of the table, and on longer ones pairs of s or more
pixels apart do not attend, which is the local form of the paper. Start: ``identity`` adds the
result to the input with a zero last normalisation.
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

Device = torch.device | str | None


class AxisAttention(nn.Module):
    """One pass: position-sensitive attention along the last axis of ``[R, C, L]``.

    Args:
        channels: C.
        heads: h; C must be divisible by 2h, for keys are half as wide as values.
        span: s; offsets of up to s - 1 have vectors.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        span: int,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.heads, self.span, self.width = heads, span, channels // heads
        self.qkv = nn.Conv1d(channels, 2 * channels, 1, bias=False, device=device, dtype=dtype)
        self.norm_qkv = nn.BatchNorm1d(2 * channels, device=device, dtype=dtype)
        self.norm_scores = nn.BatchNorm2d(3 * heads, device=device, dtype=dtype)
        self.norm_output = nn.BatchNorm1d(2 * channels, device=device, dtype=dtype)
        table = torch.empty(2 * self.width, 2 * span - 1, device=device, dtype=dtype)
        self.relative = nn.Parameter(nn.init.normal_(table, std=self.width**-0.5))
        nn.init.normal_(self.qkv.weight, std=channels**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Lines ``[R, C, L]``, each attended by itself."""
        half = self.width // 2
        parts = (half, half, self.width)
        offset = _offsets(x.shape[2], x.device)
        near = offset.abs() < self.span
        vectors = self.relative[:, offset.clamp(1 - self.span, self.span - 1) + self.span - 1]
        r_q, r_k, r_v = vectors.split(parts, 0)
        q, k, v = self.norm_qkv(self.qkv(x)).unflatten(1, (self.heads, -1)).split(parts, 2)
        weights = self._scores(q, k, r_q, r_k).masked_fill(~near, float("-inf")).softmax(-1)
        weights = weights.to(v.dtype)
        seen = torch.einsum("bgij,bgcj->bgci", weights, v)
        placed = torch.einsum("bgij,cij->bgci", weights, r_v)
        both = torch.stack((seen, placed), 3).flatten(1, 3)
        made: Tensor = self.norm_output(both).unflatten(1, (-1, 2)).sum(2)
        return made

    def _scores(self, q: Tensor, k: Tensor, r_q: Tensor, r_k: Tensor) -> Tensor:
        """The three scores ``[R, h, L, L]``, normalised and added; float16 is too short."""
        one = torch.ones(1, dtype=torch.float32, device=q.device)  # promotes to 32 bits or more
        q, k, r_q, r_k = (one * t for t in (q, k, r_q, r_k))
        pair = torch.einsum("bgci,bgcj->bgij", q, k)
        query = torch.einsum("bgci,cij->bgij", q, r_q)
        key = torch.einsum("bgcj,cji->bgij", k, r_k)
        scores = _normalised(torch.cat((pair, query, key), 1), self.norm_scores)
        return scores.unflatten(1, (3, -1)).sum(1)


class AxialAttention(nn.Module):
    """Axial attention (Wang et al., arXiv:2003.07853, eq. 4), first over height, then over width.

    Args:
        channels: C of the map.
        heads: h; C must be divisible by 2h.
        span: s, the longest side of a map that is attended as a whole.
        residual: add the input to the result; by default only at an identity start.
        start: ``paper``, or ``identity``: a zero last normalisation, and the input added.
    """

    def __init__(
        self,
        channels: int,
        heads: int = 8,
        span: int = 56,
        *,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        if channels % (2 * check_heads(channels, heads)):
            raise RegardError(
                f"axial attention with {heads} heads takes a multiple of {2 * heads} channels, "
                f"for keys are half as wide as values; got {channels}"
            )
        check_size(span, "span")
        self.residual = adds_input(check_start(start), residual)
        self.height = AxisAttention(channels, heads, span, device=device, dtype=dtype)
        self.width = AxisAttention(channels, heads, span, device=device, dtype=dtype)
        if start == "identity":
            zero(self.width.norm_output)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]``, attended along both axes."""
        x = expect(x, 1, self.channels, "axial", axes=4)
        lines = x.permute(0, 3, 1, 2)
        tall = self.height(lines.flatten(0, 1)).unflatten(0, (-1, x.shape[3]))
        lines = tall.permute(0, 3, 2, 1)
        wide = self.width(lines.flatten(0, 1)).unflatten(0, (-1, x.shape[2]))
        y = wide.permute(0, 2, 1, 3)
        return x + y if self.residual else y


def _offsets(length: int, device: torch.device) -> Tensor:
    """First place minus second, ``[L, L]``."""
    place = torch.arange(length, device=device)
    return place[:, None] - place


def _normalised(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    """``norm(x)``, also where its parameters are coarser than ``x``."""
    if norm.training:
        made: Tensor = norm(x.to(norm.weight.dtype))
        return made
    numbers = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    mean, var, weight, bias = (None if n is None else n.to(x.dtype) for n in numbers)
    return F.batch_norm(x, mean, var, weight, bias, eps=norm.eps)


CARD = Card(
    name="axial",
    title="Axial attention",
    module=AxialAttention,
    takes="map",
    family=("spatial",),
    start="residual",
    paper="arXiv:2003.07853",
    year=2020,
    authors="Huiyu Wang, Yukun Zhu, Bradley Green, Hartwig Adam, Alan Yuille, Liang-Chieh Chen",
    bibtex="""@inproceedings{wang2020axial,
  title     = {{Axial-DeepLab}: Stand-Alone Axial-Attention for Panoptic Segmentation},
  author    = {Wang, Huiyu and Zhu, Yukun and Green, Bradley and Adam, Hartwig and Yuille, Alan
               and Chen, Liang-Chieh},
  booktitle = {ECCV},
  year      = {2020}
}""",
    code="https://github.com/csrhddlam/axial-deeplab",
    code_licence="Apache-2.0",
    aliases=("axial_attention", "axial_deeplab"),
    variants=("official",),
    parameters="2*(2*C**2 + 2*C//heads*(2*span - 1) + 8*C + 6*heads)",
    complexity="O(HW·C² + HW·(H + W)·C) multiplications",
    place="stage",
    options={"heads": 4, "span": 6},
)
