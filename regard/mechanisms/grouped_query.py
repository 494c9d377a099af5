r"""Grouped-query attention: several heads of queries share one head of keys and values.

.. math:: \mathrm{head}_i = \mathrm{Attn}\left(Q_i,\, K_{\lfloor i g / h \rfloor},\,
          V_{\lfloor i g / h \rfloor}\right)

With g groups = h heads it is multi-head attention, with one group multi-query attention. A decoder
keeps h / g times fewer keys and values. Heads that share stand side by side, as in Llama.

Shapes: ``[B, Nq, D]`` and ``[B, Nk, E]`` → ``[B, Nq, D]``, or a map ``[B, D, *space]``. Cost:
2D² + 2D²·g/h parameters without biases, 2N·D² + 2N·D²·g/h + 2N²·D multiplications.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from ..cards import Card
from ..errors import RegardError
from ..ops import attend
from ._gate import StartOption, check_size
from ._heads import FullHeads


class GroupedQueryAttention(FullHeads):
    """Grouped-query attention (Ainslie et al., arXiv:2305.13245, section 2.2).

    Args:
        dim: D, width of the queries' source and of the output.
        heads: h, of queries; D must be divisible by it.
        groups: g, heads of keys and values; h must be divisible by it.
        source_dim: E, width of the keys' and values' source, by default D.
        bias: biases in the four projections.
        residual: add the queries' source to the result; by default only at an identity start.
        start: ``paper`` (Xavier) or ``identity`` (output projection zero, residual).
    """

    name: ClassVar[str] = "grouped_query"

    def __init__(
        self,
        dim: int,
        heads: int = 8,
        groups: int = 2,
        *,
        source_dim: int | None = None,
        bias: bool = False,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if check_size(groups, "groups") and check_size(heads, "heads") % groups:
            works = ", ".join(str(g) for g in range(1, heads + 1) if heads % g == 0)
            raise RegardError(f"{groups} groups do not divide {heads} heads; these do: {works}")
        super().__init__(
            dim, heads, groups, source_dim=source_dim, bias=bias, residual=residual, start=start,
            device=device, dtype=dtype,
        )  # fmt: skip
        self.groups = groups

    def mix(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool
    ) -> Tensor:
        """Scaled dot-product attention, keys and values repeated for the heads of their group."""
        key, value = (self._repeated(x) for x in (key, value))
        return attend(query, key, value, mask=mask, causal=causal)

    def _repeated(self, x: Tensor) -> Tensor:
        """``[B, g, N, d]`` → ``[B, h, N, d]``, each head h / g times in a row."""
        return x.unsqueeze(2).expand(-1, -1, self.heads // self.groups, -1, -1).flatten(1, 2)


CARD = Card(
    name="grouped_query",
    title="Grouped-query attention",
    module=GroupedQueryAttention,
    takes="tokens",
    family=("tokens",),
    start="residual",
    paper="arXiv:2305.13245",
    year=2023,
    authors="Joshua Ainslie, James Lee-Thorp, Michiel de Jong, Yury Zemlyanskiy, Federico Lebrón, "
    "Sumit Sanghai",
    bibtex="""@inproceedings{ainslie2023gqa,
  title     = {{GQA}: Training Generalized Multi-Query Transformer Models from Multi-Head
               Checkpoints},
  author    = {Ainslie, Joshua and Lee-Thorp, James and de Jong, Michiel and Zemlyanskiy, Yury
               and Lebr{\\'o}n, Federico and Sanghai, Sumit},
  booktitle = {EMNLP},
  year      = {2023}
}""",
    code="https://github.com/google/flaxformer",
    code_licence="Apache-2.0",
    aliases=("gqa",),
    parameters="2*C**2 + 2*C*(C//heads)*groups",
    complexity="O(N·D² + N²·D) multiplications, h/g times fewer keys and values to keep",
    place="stage",
    options={"heads": 8, "groups": 2},
)
