r"""Sigmoid attention: each weight by itself, no competition of the keys.

.. math:: Z = \sigma\left(\frac{Q K^\top}{\sqrt d} + b\right) V, \qquad b = -\ln n

With b = -ln n the weights of n keys sum to about one at the start, as those of a softmax do.

Shapes: ``[B, Nq, D]`` and ``[B, Nk, E]`` → ``[B, Nq, D]``, or a map ``[B, D, *space]``. Cost: 4D²
parameters without biases, 4N·D² + 2N²·D multiplications.

n counts the keys that ``mask`` leaves to a query; ``causal`` does not lower it, as in the paper,
where b is one number for the whole sequence. The authors' code takes b as a constant, 0 unless it
is given: ``offset=0.0``. In decoding, where n grows, take a constant. Their normalisation of
queries and keys is an option there too, off by default, and not part of this.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from ..cards import Card
from ..ops.attention import allowed_pairs, logits
from ._gate import StartOption
from ._heads import FullHeads, widened


class SigmoidAttention(FullHeads):
    """Sigmoid attention (Ramapuram et al., arXiv:2409.04431, eq. 3).

    Args:
        dim: D, width of the queries' source and of the output.
        heads: h; D must be divisible by it.
        offset: b, by default -ln n.
        source_dim: E, width of the keys' and values' source, by default D.
        bias: biases in the four projections.
        residual: add the queries' source to the result; by default only at an identity start.
        start: ``paper`` (Xavier) or ``identity`` (output projection zero, residual).
    """

    name: ClassVar[str] = "sigmoid"

    def __init__(
        self,
        dim: int,
        heads: int = 8,
        *,
        offset: float | None = None,
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
        self.offset = None if offset is None else float(offset)

    def mix(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool
    ) -> Tensor:
        """Scores, offset, sigmoid, weighted sum."""
        scores = logits(widened(query), widened(key), "scaled_dot")
        shown = allowed_pairs(query, key, mask, causal=False)
        if self.offset is not None:
            scores = scores + self.offset
        elif shown is None:  # counted by a tensor, so that an exported graph takes any n
            scores = scores - torch.ones_like(scores[:1, :1, :1]).sum(-1, keepdim=True).log()
        else:
            scores = scores - shown.sum(-1, keepdim=True).clamp(min=1).to(scores.dtype).log()
        weights = scores.sigmoid()
        allowed = allowed_pairs(query, key, mask, causal)
        if allowed is not None:
            weights = weights.masked_fill(~allowed, 0.0)
        return weights.to(value.dtype) @ value


CARD = Card(
    name="sigmoid",
    title="Sigmoid attention",
    module=SigmoidAttention,
    takes="tokens",
    family=("tokens",),
    start="residual",
    paper="arXiv:2409.04431",
    year=2025,
    authors="Jason Ramapuram, Federico Danieli, Eeshan Dhekane, Floris Weers, Dan Busbridge, "
    "Pierre Ablin, Tatiana Likhomanenko, Jagrit Digani, Zijin Gu, Amitis Shidani, Russ Webb",
    bibtex="""@inproceedings{ramapuram2025theory,
  title     = {Theory, Analysis, and Best Practices for Sigmoid Self-Attention},
  author    = {Ramapuram, Jason and Danieli, Federico and Dhekane, Eeshan and Weers, Floris
               and Busbridge, Dan and Ablin, Pierre and Likhomanenko, Tatiana and Digani, Jagrit
               and Gu, Zijin and Shidani, Amitis and Webb, Russ},
  booktitle = {ICLR},
  year      = {2025}
}""",
    code="https://github.com/apple/ml-sigmoid-attention",
    code_licence="Apple sample code licence",
    aliases=("sigmoid_attention",),
    parameters="4*C**2",
    complexity="O(N·D² + N²·D) multiplications, O(N²·h) memory",
    place="stage",
    options={"heads": 8},
)
