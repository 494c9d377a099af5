r"""Dot-product attention: the score of a query and a key is their inner product.

.. math:: z = \mathrm{softmax}(q K^\top) V

Shapes: queries ``[B, Nq, d]``, keys ``[B, Nk, d]``, values ``[B, Nk, dv]`` → ``[B, Nq, dv]``. Cost:
no parameters, Nq·Nk·(d + dv) multiplications. Luong's "dot", without the 1/√d of scaled_dot: the
logits grow with d, and the softmax saturates.
"""

from __future__ import annotations

import torch

from ..cards import Card
from ._core import Core


class DotAttention(Core):
    """Dot-product attention (Luong et al., arXiv:1508.04025, eq. 8, "dot").

    Args:
        dim: width of queries and keys, checked if given. There are no parameters.
    """

    score = "dot"

    def __init__(
        self,
        dim: int | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(dim)


CARD = Card(
    name="dot",
    title="Dot-product attention",
    module=DotAttention,
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
    aliases=("dot_product", "luong_dot"),
    parameters="0",
    complexity="O(Nq·Nk·d) multiplications, O(N) memory when fused",
    place="stage",
)
