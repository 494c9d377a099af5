r"""Bilinear attention: a learned matrix between query and key.

.. math:: z = \mathrm{softmax}(q\,W K^\top) V

Shapes: queries ``[B, Nq, dq]``, keys ``[B, Nk, dk]``, values ``[B, Nk, dv]`` → ``[B, Nq, dv]``, or
with heads. Cost: dq·dk parameters a head, Nq·dq·dk + Nq·Nk·(dk + dv) multiplications. Luong's
"general"; no bias, no scale. Queries and keys may differ in width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ._core import Core
from ._gate import check_size


class BilinearAttention(Core):
    """Bilinear attention (Luong et al., arXiv:1508.04025, eq. 8, "general").

    Args:
        dim: width of the queries.
        key_dim: width of the keys, by default that of the queries.
        heads: number of matrices; with more than one, inputs are ``[B, h, N, d]``.
    """

    score = "bilinear"

    def __init__(
        self,
        dim: int,
        key_dim: int | None = None,
        *,
        heads: int = 1,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(check_size(dim, "dim"), key_dim)
        shape = (check_size(heads, "heads"), dim, key_dim or dim)
        self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        for matrix in self.weight:
            nn.init.xavier_uniform_(matrix)

    def learned(self) -> tuple[Tensor, ...]:
        """The matrix W, ``[h, dq, dk]``."""
        return (self.weight,)


CARD = Card(
    name="bilinear",
    title="Bilinear attention",
    module=BilinearAttention,
    takes="tokens",
    family=("tokens",),
    start="none",
    paper="arXiv:1508.04025",
    year=2015,
    authors="Minh-Thang Luong, Hieu Pham, Christopher D. Manning",
    bibtex="""@inproceedings{luong2015effective,
  title     = {Effective Approaches to Attention-based Neural Machine Translation},
  author    = {Luong, Minh-Thang and Pham, Hieu and Manning, Christopher D.},
  booktitle = {EMNLP},
  year      = {2015}
}""",
    code="https://github.com/lmthang/nmt.matlab",
    aliases=("general", "luong", "luong_general", "multiplicative"),
    parameters="heads*C**2",
    complexity="O(Nq·d² + Nq·Nk·d) multiplications, O(N) memory when fused",
    place="stage",
    options={"heads": 1},
)
