r"""Additive attention: a small network compares query and key.

.. math:: e_{ij} = v_a^\top \tanh(W_a q_i + U_a k_j), \qquad
          z_i = \sum_j \mathrm{softmax}_j(e_{ij})\, v_j

Shapes: queries ``[B, Nq, dq]``, keys ``[B, Nk, dk]``, values ``[B, Nk, dv]`` → ``[B, Nq, dv]``, or
with heads. Cost: a·(dq + dk + 1) parameters a head, Nq·Nk·a hyperbolic tangents. No biases. Luong's
"concat", v·tanh(W [q; k]), is the same with W = [W_a U_a].

The start is that of the authors' code (GroundHog): W_a and U_a from N(0, 0.001²), v_a zero, so that
attention begins uniform.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ._core import Core
from ._gate import check_size


class AdditiveAttention(Core):
    """Additive attention (Bahdanau et al., arXiv:1409.0473, section A.1.2).

    Args:
        dim: width of the queries.
        key_dim: width of the keys, by default that of the queries.
        hidden: a, the width of the comparing network, by default that of the queries.
        heads: number of networks; with more than one, inputs are ``[B, h, N, d]``.
    """

    score = "additive"

    def __init__(
        self,
        dim: int,
        key_dim: int | None = None,
        hidden: int | None = None,
        *,
        heads: int = 1,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(check_size(dim, "dim"), key_dim)
        hidden = check_size(dim if hidden is None else hidden, "hidden")
        check_size(heads, "heads")
        self.query = nn.Parameter(torch.empty(heads, dim, hidden, device=device, dtype=dtype))
        self.key = nn.Parameter(
            torch.empty(heads, key_dim or dim, hidden, device=device, dtype=dtype)
        )
        self.v = nn.Parameter(torch.zeros(heads, hidden, device=device, dtype=dtype))
        nn.init.normal_(self.query, std=0.001)
        nn.init.normal_(self.key, std=0.001)

    def learned(self) -> tuple[Tensor, ...]:
        """W_a ``[h, dq, a]``, U_a ``[h, dk, a]`` and v_a ``[h, a]``."""
        return (self.query, self.key, self.v)


CARD = Card(
    name="additive",
    title="Additive attention",
    module=AdditiveAttention,
    takes="tokens",
    family=("tokens",),
    start="none",
    paper="arXiv:1409.0473",
    year=2015,
    authors="Dzmitry Bahdanau, Kyunghyun Cho, Yoshua Bengio",
    bibtex="""@inproceedings{bahdanau2015neural,
  title     = {Neural Machine Translation by Jointly Learning to Align and Translate},
  author    = {Bahdanau, Dzmitry and Cho, Kyunghyun and Bengio, Yoshua},
  booktitle = {ICLR},
  year      = {2015}
}""",
    code="https://github.com/lisa-groundhog/GroundHog",
    code_licence="BSD-3-Clause",
    aliases=("bahdanau", "mlp_attention", "luong_concat"),
    parameters="heads*(2*C**2 + C)",
    complexity="O(Nq·Nk·a) hyperbolic tangents and as much memory",
    place="stage",
    options={"heads": 1},
)
