r"""Top-k sparse attention: each query attends to its k best keys and to nothing else.

.. math:: P = \frac{Q K^\top}{\sqrt d}, \qquad
          M_{ij} = \begin{cases} P_{ij} & P_{ij} \ge t_i \\ -\infty & \text{otherwise}\end{cases},
          \qquad Z = \mathrm{softmax}(M)\, V

t_i is the k-th largest of a query's scores; ties with it stay. With at most k keys that may be
attended it is multi-head attention.

Shapes: ``[B, Nq, D]`` and ``[B, Nk, E]`` → ``[B, Nq, D]``, or a map ``[B, D, *space]``. Cost:
4D² + 4D parameters, 4N·D² + 3N²·D multiplications and a selection in each row: it concentrates
attention, it does not save work. Biases and Xavier's start as in the authors' code.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

from ..cards import Card
from ..ops import attend
from ..ops.attention import allowed_pairs, logits
from ._gate import StartOption, check_size
from ._heads import FullHeads


class SparseTopkAttention(FullHeads):
    """Explicit Sparse Transformer's attention (Zhao et al., arXiv:1912.11637, section 2).

    Args:
        dim: D, width of the queries' source and of the output.
        heads: h; D must be divisible by it.
        k: how many keys a query attends to.
        source_dim: E, width of the keys' and values' source, by default D.
        bias: biases in the four projections.
        residual: add the queries' source to the result; by default only at an identity start.
        start: ``paper`` (fairseq's) or ``identity`` (output projection zero, residual).
    """

    name: ClassVar[str] = "sparse_topk"
    gain: ClassVar[float | None] = 1 / math.sqrt(2)

    def __init__(
        self,
        dim: int,
        heads: int = 8,
        k: int = 8,
        *,
        source_dim: int | None = None,
        bias: bool = True,
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
        self.k = check_size(k, "k")
        if bias:
            nn.init.zeros_(self.output.bias)

    def mix(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool
    ) -> Tensor:
        """Scaled dot-product attention to the keys that are chosen."""
        with torch.no_grad():  # which keys they are has no gradient
            scores = logits(query, key, "scaled_dot")
            chosen = best(scores, allowed_pairs(query, key, mask, causal), self.k)
        return attend(query, key, value, mask=chosen)


def best(scores: Tensor, allowed: Tensor | None, k: int) -> Tensor:
    """Where ``scores`` are among the k largest allowed of the last axis, or tie with them."""
    if has_torch_function((scores,)):
        return handle_torch_function(best, (scores,), scores, allowed, k)
    if allowed is not None:
        scores = scores.masked_fill(~allowed, float("-inf"))
    least = scores.topk(torch.sym_min(k, scores.shape[-1]), -1).values[..., -1:]
    found = scores >= least
    return found if allowed is None else found & allowed


CARD = Card(
    name="sparse_topk",
    title="Top-k sparse attention",
    module=SparseTopkAttention,
    takes="tokens",
    family=("tokens",),
    start="residual",
    paper="arXiv:1912.11637",
    year=2019,
    authors="Guangxiang Zhao, Junyang Lin, Zhiyuan Zhang, Xuancheng Ren, Qi Su, Xu Sun",
    bibtex="""@article{zhao2019explicit,
  title   = {Explicit Sparse Transformer: Concentrated Attention Through Explicit Selection},
  author  = {Zhao, Guangxiang and Lin, Junyang and Zhang, Zhiyuan and Ren, Xuancheng and Su, Qi
             and Sun, Xu},
  journal = {arXiv:1912.11637},
  year    = {2019}
}""",
    code="https://github.com/lancopku/Explicit-Sparse-Transformer",
    aliases=("topk_attention", "explicit_sparse"),
    parameters="4*C**2 + 4*C",
    complexity="O(N·D² + N²·D) multiplications, O(N²·h) memory",
    place="stage",
    options={"heads": 8, "k": 3},
)
