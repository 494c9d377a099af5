r"""Talking-heads attention: heads mix their logits before the softmax and their weights after it.

.. math:: L_k = \sum_i \frac{Q_i K_i^\top}{\sqrt d}\, P^l_{ik}, \qquad
          W_j = \sum_k \mathrm{softmax}(L_k)\, P^w_{kj}, \qquad O_j = W_j V_j

Shapes: ``[B, Nq, D]`` and ``[B, Nk, E]`` → ``[B, Nq, D]``, or a map ``[B, D, *space]``. Cost:
4D² + 2h² parameters without biases, 4N·D² + 2N²·D + 2N²·h² multiplications, N²·h memory.

The paper leaves 1/√d out, since the projection of the logits can hold it; the authors' layer in the
TensorFlow model garden keeps it, and so does this. All three numbers of heads are one, as there. A
mask for each head is that of a softmax: what a head may not see, another may still tell it.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from ..cards import Card
from ..ops.attention import allowed_pairs, logits
from ._gate import StartOption
from ._heads import FullHeads, masked_softmax, widened


class TalkingHeadsAttention(FullHeads):
    """Talking-heads attention (Shazeer et al., arXiv:2003.02436, section 4).

    Args:
        dim: D, width of the queries' source and of the output.
        heads: h; D must be divisible by it.
        source_dim: E, width of the keys' and values' source, by default D.
        bias: biases in the four projections.
        residual: add the queries' source to the result; by default only at an identity start.
        start: ``paper`` (Xavier) or ``identity`` (output projection zero, residual).
    """

    name: ClassVar[str] = "talking_heads"

    def __init__(
        self,
        dim: int,
        heads: int = 8,
        *,
        source_dim: int | None = None,
        bias: bool = False,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            dim,
            heads,
            source_dim=source_dim,
            bias=bias,
            residual=residual,
            start=start,
            device=device,
            dtype=dtype,
        )
        self.before = nn.Parameter(torch.empty(heads, heads, device=device, dtype=dtype))
        self.after = nn.Parameter(torch.empty(heads, heads, device=device, dtype=dtype))
        for exchange in (self.before, self.after):
            nn.init.xavier_uniform_(exchange)

    def mix(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool
    ) -> Tensor:
        """Scores, exchange between heads, softmax, exchange, weighted sum."""
        allowed = allowed_pairs(query, key, mask, causal)
        # Sums of logits over heads: beyond float16.
        scores = logits(widened(query), widened(key), "scaled_dot")
        weights = masked_softmax(_exchange(scores, widened(self.before)), allowed)
        return _exchange(weights.to(value.dtype), self.after) @ value


def _exchange(x: Tensor, weight: Tensor) -> Tensor:
    """Sums over the heads of ``x [B, h, Nq, Nk]`` with ``weight [from, to]``."""
    return torch.einsum("bhqk,ht->btqk", x, weight)


CARD = Card(
    name="talking_heads",
    title="Talking-heads attention",
    module=TalkingHeadsAttention,
    takes="tokens",
    family=("tokens",),
    start="residual",
    paper="arXiv:2003.02436",
    year=2020,
    authors="Noam Shazeer, Zhenzhong Lan, Youlong Cheng, Nan Ding, Le Hou",
    bibtex="""@article{shazeer2020talking,
  title   = {Talking-Heads Attention},
  author  = {Shazeer, Noam and Lan, Zhenzhong and Cheng, Youlong and Ding, Nan and Hou, Le},
  journal = {arXiv:2003.02436},
  year    = {2020}
}""",
    code="https://github.com/tensorflow/models",
    code_licence="Apache-2.0",
    parameters="4*C**2 + 2*heads**2",
    complexity="O(N·D² + N²·D + N²·h²) multiplications, O(N²·h) memory",
    place="stage",
    options={"heads": 8},
)
