r"""Scaled dot-product attention: the inner product divided by √d.

.. math:: z = \mathrm{softmax}\left(\frac{q K^\top}{\sqrt{d}}\right) V

Shapes: queries ``[B, Nq, d]``, keys ``[B, Nk, d]``, values ``[B, Nk, dv]`` → ``[B, Nq, dv]``. Cost:
no parameters, Nq·Nk·(d + dv) multiplications. With unit-variance entries the inner product has
variance d; the scale brings the logits back to variance one.
"""

from __future__ import annotations

import torch

from ..cards import Card
from ._core import Core


class ScaledDotAttention(Core):
    """Scaled dot-product attention (Vaswani et al., arXiv:1706.03762, eq. 1).

    Args:
        dim: width of queries and keys, checked if given. There are no parameters.
    """

    score = "scaled_dot"

    def __init__(
        self,
        dim: int | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(dim)


CARD = Card(
    name="scaled_dot",
    title="Scaled dot-product attention",
    module=ScaledDotAttention,
    takes="tokens",
    family=("tokens",),
    start="none",
    paper="arXiv:1706.03762",
    year=2017,
    authors="Ashish Vaswani, Noam Shazeer, Niki Parmar, Jakob Uszkoreit, Llion Jones, "
    "Aidan N. Gomez, Łukasz Kaiser, Illia Polosukhin",
    bibtex="""@inproceedings{vaswani2017attention,
  title     = {Attention Is All You Need},
  author    = {Vaswani, Ashish and Shazeer, Noam and Parmar, Niki and Uszkoreit, Jakob
               and Jones, Llion and Gomez, Aidan N. and Kaiser, {\\L}ukasz and Polosukhin, Illia},
  booktitle = {NIPS},
  year      = {2017}
}""",
    code="https://github.com/tensorflow/tensor2tensor",
    code_licence="Apache-2.0",
    aliases=("sdpa", "scaled_dot_product"),
    parameters="0",
    complexity="O(Nq·Nk·d) multiplications, O(N) memory when fused",
    place="stage",
)
