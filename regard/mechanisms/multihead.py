r"""Multi-head attention: h attentions side by side in projected spaces, concatenated, times W^O.

.. math:: \mathrm{head}_i = \mathrm{Attn}(Q W^Q_i, K W^K_i, V W^V_i), \qquad
          \mathrm{MHA} = [\mathrm{head}_1; \dots; \mathrm{head}_h]\, W^O

Several heads let a position look at several places at once instead of mostly at itself.

Shapes: ``[B, Nq, D]`` and ``[B, Nk, E]`` → ``[B, Nq, D]``; or a map ``[B, D, *space]``, whose
pixels become tokens, → the same. Cost: 4D² parameters (with ``bias=True`` 4D² + 4D, as in
``torch.nn.MultiheadAttention``), 4N·D² + 2N²·D multiplications.

No biases by default, as in the paper and tensor2tensor. Start: ``identity`` adds the result to the
input (x + m(x), the Transformer's sub-layer) and sets W^O to zero.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from ..errors import RegardError
from ..ops import attend, expect, from_tokens, to_tokens
from ._gate import StartOption, adds_input, check_size, check_start, zero
from ._past import Past, continued, place_of, turned
from ._scores import core
from .scaled_dot import CARD as SCALED_DOT


class MultiHeadAttention(nn.Module):
    """Multi-head attention (Vaswani et al., arXiv:1706.03762, section 3.2.2).

    Args:
        dim: D, width of the queries' source and of the output.
        heads: h; D must be divisible by it.
        source_dim: E, width of the keys' and values' source, by default D.
        score: ``scaled_dot``, ``dot``, ``cosine``, ``bilinear`` or ``additive``, per head.
        bias: biases in the four projections.
        dropout: share of the attention weights dropped in training.
        residual: add the queries' source to the result; by default only at an identity start.
        start: ``paper`` (Xavier) or ``identity`` (W^O zero, residual).
    """

    steps: ClassVar[bool] = True  # see Heads; it may keep a past

    def __init__(
        self,
        dim: int,
        heads: int = 8,
        *,
        source_dim: int | None = None,
        score: str = "scaled_dot",
        bias: bool = False,
        dropout: float = 0.0,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.dim, self.heads = check_size(dim, "dim"), check_heads(dim, heads)
        self.source_dim = dim if source_dim is None else check_size(source_dim, "source_dim")
        if not 0 <= dropout < 1:
            raise RegardError(f"dropout is {dropout!r}; it must be at least 0 and below 1")
        self.dropout = dropout
        self.query = nn.Linear(dim, dim, bias, device, dtype)
        self.key = nn.Linear(self.source_dim, dim, bias, device, dtype)
        self.value = nn.Linear(self.source_dim, dim, bias, device, dtype)
        self.output = nn.Linear(dim, dim, bias, device, dtype)
        for projection in (self.query, self.key, self.value, self.output):
            nn.init.xavier_uniform_(projection.weight)
            if bias:
                nn.init.zeros_(projection.bias)
        self.core = core(score, dim // heads, heads, device, dtype)
        if check_start(start) == "identity":
            zero(self.output)
        self.residual = adds_input(start, residual)

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        mask: Tensor | None = None,
        causal: bool = False,
        *,
        rotate: nn.Module | None = None,
        bias: Tensor | None = None,
        past: Past | None = None,
    ) -> Tensor:
        """Attention of ``query`` over ``key``, by default over itself.

        Args:
            query: tokens ``[B, Nq, D]``, or a map ``[B, D, *space]`` attending over its pixels.
            key: ``[B, Nk, E]``, by default the query; value: ``[B, Nk, E]``, by default the key.
            mask: boolean, True = may attend; ``[B, Nk]``, ``[B, Nq, Nk]`` or ``[B, h, Nq, Nk]``.
            causal: a query sees no later key.
            rotate: a code of places that turns queries and keys, such as ``rotary`` of width D / h.
            bias: added to the logits, ``[h, Nq, Nk]``, from ``alibi`` or ``t5_bias``.
            past: keys and values kept from the calls before, and from now on these; the queries
                stand behind them, a mask is for all keys.

        Returns:
            The shape of ``query``.
        """
        tokens = to_tokens(query)
        key = tokens if key is None else to_tokens(key)
        value = key if value is None else to_tokens(value)
        tokens = expect(tokens, -1, self.dim, "multihead (queries)")
        q = turned(rotate, self._split(self.query(tokens)), place_of(past))
        k, v = continued(past, lambda place: self._project(key, value, rotate, place))
        out = attend(
            q,
            k,
            v,
            self.core.score,
            self.core.learned(),
            mask=mask,
            causal=causal,
            bias=bias,
            dropout=self.dropout if self.training else 0.0,
        )
        projected = from_tokens(self.output(out.transpose(1, 2).flatten(2)), query)
        return query + projected if self.residual else projected

    def _project(
        self, key: Tensor, value: Tensor, rotate: nn.Module | None, place: int
    ) -> tuple[Tensor, Tensor]:
        """Keys and values with heads, keys turned as from the given place on."""
        k = self._split(self.key(expect(key, -1, self.source_dim, "multihead (keys)")))
        v = self._split(self.value(expect(value, -1, self.source_dim, "multihead (values)")))
        return turned(rotate, k, place), v

    def _split(self, x: Tensor) -> Tensor:
        """``[B, N, D]`` → ``[B, h, N, D / h]``."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def check_heads(dim: int, heads: int) -> int:
    """``heads`` itself, if it divides ``dim``."""
    if check_size(heads, "heads") and dim % heads:
        works = ", ".join(str(h) for h in range(1, min(dim, 64) + 1) if dim % h == 0)
        raise RegardError(f"{heads} heads do not divide a width of {dim}; these do: {works}")
    return heads


CARD = replace(
    SCALED_DOT,
    name="multihead",
    title="Multi-head attention",
    module=MultiHeadAttention,
    start="residual",
    aliases=("mha", "multi_head", "mhsa"),
    parameters="4*C**2",
    complexity="O(N·D² + N²·D) multiplications, O(N) memory when fused",
    place="stage",
    options={"heads": 8},
)
