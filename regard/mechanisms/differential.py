r"""Differential attention: the difference of two softmax maps, so that what both see cancels.

.. math:: \mathrm{head} = (1 - \lambda_0)\,\mathrm{RMSNorm}\left(\left(
          \mathrm{softmax}\frac{Q_1 K_1^\top}{\sqrt d} - \lambda\,
          \mathrm{softmax}\frac{Q_2 K_2^\top}{\sqrt d}\right) V\right), \\
          \lambda = e^{\lambda_{q1} \cdot \lambda_{k1}} - e^{\lambda_{q2} \cdot \lambda_{k2}}
          + \lambda_0, \qquad \lambda_0 = 0.8 - 0.6\, e^{-0.3\,\mathrm{depth}}

Queries and keys have 2h heads of width d = D / 2h, values h of width 2d. λ and the norm's gain are
shared by the heads of a layer.

Shapes: ``[B, Nq, D]`` and ``[B, Nk, E]`` → ``[B, Nq, D]``, or a map ``[B, D, *space]``. Cost:
4D² + 6d parameters, 4N·D² + 3N²·D multiplications.

For a fair comparison take half as many heads as elsewhere. The authors' code turns queries and keys
by rotary positions; positions are not part of it here.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import attend
from ._gate import StartOption
from ._heads import FullHeads


class DifferentialAttention(FullHeads):
    """Differential attention (Ye et al., arXiv:2410.05258, section 2.1).

    Args:
        dim: D, width of the queries' source and of the output.
        heads: h, each of two maps; D must be divisible by 2h.
        depth: number of the layer in its network, from 0; sets λ's start.
        source_dim: E, width of the keys' and values' source, by default D.
        residual: add the queries' source to the result; by default only at an identity start.
        start: ``paper`` or ``identity`` (output projection zero, residual).
    """

    name: ClassVar[str] = "differential"
    gain: ClassVar[float | None] = None

    def __init__(
        self,
        dim: int,
        heads: int = 4,
        *,
        depth: int = 0,
        source_dim: int | None = None,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            dim,
            heads,
            source_dim=source_dim,
            residual=residual,
            start=start,
            device=device,
            dtype=dtype,
        )
        if dim // heads % 2:
            raise RegardError(
                f"{heads} heads of a width of {dim} cannot be halved; dim must be divisible by "
                f"{2 * heads}, twice the heads"
            )
        if type(depth) is not int or depth < 0:
            raise RegardError(f"depth is {depth!r}; it is a layer's number, 0 for the first")
        self.least = 0.8 - 0.6 * math.exp(-0.3 * depth)
        width = dim // heads // 2
        self.lambda_query1, self.lambda_key1, self.lambda_query2, self.lambda_key2 = (
            nn.Parameter(torch.empty(width, device=device, dtype=dtype)) for _ in range(4)
        )
        for vector in (
            self.lambda_query1, self.lambda_key1, self.lambda_query2, self.lambda_key2,
        ):  # fmt: skip
            nn.init.normal_(vector, std=0.1)
        self.norm = nn.RMSNorm(2 * width, eps=1e-5, device=device, dtype=dtype)

    def mix(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool
    ) -> Tensor:
        """Both maps of each head over the same values, the second weighed by -λ."""
        # [B, h, N, 2d] → [B, 2h, N, d]: the two maps of a head lie side by side.
        query, key = (self._halved(x) for x in (query, key))
        value = value.unsqueeze(2).expand(-1, -1, 2, -1, -1).flatten(1, 2)
        if mask is not None and mask.dim() == 4 and mask.shape[1] > 1:
            mask = mask.repeat_interleave(2, 1)
        both = attend(query, key, value, mask=mask, causal=causal).unflatten(1, (self.heads, 2))
        kept = both[:, :, 0] - self._share() * both[:, :, 1]
        # Under autocast the gain stays in float32, and the norm wants one dtype.
        return self.norm(kept.to(self.norm.weight.dtype)) * (1 - self.least)

    def _halved(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (2, -1)).transpose(2, 3).flatten(1, 2)

    def _share(self) -> Tensor:
        """λ, how much of the second map is taken away."""
        first = (self.lambda_query1 * self.lambda_key1).sum()
        second = (self.lambda_query2 * self.lambda_key2).sum()
        return first.exp() - second.exp() + self.least


CARD = Card(
    name="differential",
    title="Differential attention",
    module=DifferentialAttention,
    takes="tokens",
    family=("tokens",),
    start="residual",
    paper="arXiv:2410.05258",
    year=2025,
    authors="Tianzhu Ye, Li Dong, Yuqing Xia, Yutao Sun, Yi Zhu, Gao Huang, Furu Wei",
    bibtex="""@inproceedings{ye2025differential,
  title     = {Differential Transformer},
  author    = {Ye, Tianzhu and Dong, Li and Xia, Yuqing and Sun, Yutao and Zhu, Yi
               and Huang, Gao and Wei, Furu},
  booktitle = {ICLR},
  year      = {2025}
}""",
    code="https://github.com/microsoft/unilm",
    code_licence="MIT",
    aliases=("diff_attention", "diff_transformer"),
    parameters="4*C**2 + 6*(C//heads//2)",
    complexity="O(N·D² + N²·D) multiplications, O(N) memory when fused",
    place="stage",
    options={"heads": 4},
)
