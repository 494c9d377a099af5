r"""Multi-query attention: all heads of queries share one head of keys and values.

.. math:: \mathrm{head}_i = \mathrm{Attn}(X W^Q_i,\, Y W^K,\, Y W^V), \qquad
          Z = [\mathrm{head}_1; \dots; \mathrm{head}_h]\, W^O

A decoder that makes one token at a time spends most of its time reading keys and values; here they
are h times fewer. Grouped-query attention with one group.

Shapes: ``[B, Nq, D]`` and ``[B, Nk, E]`` → ``[B, Nq, D]``, or a map ``[B, D, *space]``. Cost:
2D² + 2D²/h parameters without biases, 2N·D² + 2N·D²/h + 2N²·D multiplications.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch

from ._gate import StartOption
from .grouped_query import CARD as GROUPED_QUERY
from .grouped_query import GroupedQueryAttention


class MultiQueryAttention(GroupedQueryAttention):
    """Multi-query attention (Shazeer, arXiv:1911.02150, section 3).

    Args:
        dim: D, width of the queries' source and of the output.
        heads: h, of queries; D must be divisible by it.
        source_dim: E, width of the keys' and values' source, by default D.
        bias: biases in the four projections.
        residual: add the queries' source to the result; by default only at an identity start.
        start: ``paper`` (Xavier) or ``identity`` (output projection zero, residual).
    """

    name: ClassVar[str] = "multi_query"

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
            dim, heads, 1, source_dim=source_dim, bias=bias, residual=residual, start=start,
            device=device, dtype=dtype,
        )  # fmt: skip


CARD = replace(
    GROUPED_QUERY,
    name="multi_query",
    title="Multi-query attention",
    module=MultiQueryAttention,
    paper="arXiv:1911.02150",
    year=2019,
    authors="Noam Shazeer",
    bibtex="""@article{shazeer2019fast,
  title   = {Fast Transformer Decoding: One Write-Head is All You Need},
  author  = {Shazeer, Noam},
  journal = {arXiv:1911.02150},
  year    = {2019}
}""",
    aliases=("mqa",),
    parameters="2*C**2 + 2*C*(C//heads)",
    complexity="O(N·D² + N²·D) multiplications, h times fewer keys and values to keep",
    options={"heads": 8},
)
