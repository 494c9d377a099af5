r"""Self-attention and attention between two sources: projected queries, keys and values, one head.

.. math:: Q = X W_Q, \quad K = Y W_K, \quad V = Y W_V, \qquad
          Z = \mathrm{softmax}\left(\frac{Q K^\top}{\sqrt{d}}\right) V

``self`` takes one source, Y = X. ``cross`` takes two: queries from a decoder, keys and values from
an encoder. No output projection: that belongs to multi-head attention.

Shapes: ``[B, Nq, D]`` and ``[B, Nk, E]`` → ``[B, Nq, D]``. Cost: D² + 2DE parameters (3D² for one
source), no biases, as in Vaswani et al.

Start: ``identity`` adds the result to the input (x + m(x)) and sets W_V to zero.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from ..errors import RegardError
from ..ops import attend, expect
from ._core import owned
from ._gate import StartOption, adds_input, check_size, check_start, zero
from ._scores import core
from .scaled_dot import CARD as SCALED_DOT


class SelfAttention(nn.Module):
    """Self-attention with learned projections W_Q, W_K, W_V (Vaswani et al., section 3.2).

    Args:
        dim: D, width of the queries' source and of the output.
        source_dim: E, width of the keys' and values' source, by default D.
        score: ``scaled_dot``, ``dot``, ``cosine``, ``bilinear`` or ``additive``.
        residual: add the queries' source to the result; by default only at an identity start.
        start: ``paper`` (Xavier) or ``identity`` (W_V zero, residual).
    """

    two_sources = False

    def __init__(
        self,
        dim: int,
        source_dim: int | None = None,
        *,
        score: str = "scaled_dot",
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.dim = check_size(dim, "dim")
        self.source_dim = dim if source_dim is None else check_size(source_dim, "source_dim")
        self.query = nn.Linear(dim, dim, False, device, dtype)
        self.key = nn.Linear(self.source_dim, dim, False, device, dtype)
        self.value = nn.Linear(self.source_dim, dim, False, device, dtype)
        for projection in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(projection.weight)
        self.core = core(score, dim, 1, device, dtype)
        if check_start(start) == "identity":
            zero(self.value)
        self.residual = adds_input(start, residual)

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        mask: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """Attention of ``query [B, Nq, D]`` over ``key [B, Nk, E]``, by default over itself.

        ``value`` is the key's source by default; ``mask`` is boolean, True = may attend,
        ``[B, Nk]`` or ``[B, Nq, Nk]``; ``causal``: a query sees no later key.
        """
        if key is None and self.two_sources:
            raise RegardError("cross takes two sources: call it as m(query, key)")
        key = query if key is None else key
        value = key if value is None else value
        q = self.query(expect(query, -1, self.dim, "self (queries)"))
        k = self.key(expect(key, -1, self.source_dim, "self (keys)"))
        v = self.value(expect(value, -1, self.source_dim, "self (values)"))
        out = attend(q, k, v, self.core.score, self.core.learned(), mask=mask, causal=causal)
        return query + out if self.residual else owned(out)


class CrossAttention(SelfAttention):
    """Attention between two sources: queries from one, keys and values from the other."""

    two_sources = True


SELF_CARD = replace(
    SCALED_DOT,
    name="self",
    title="Self-attention",
    module=SelfAttention,
    start="residual",
    aliases=("self_attention",),
    parameters="3*C**2",
    complexity="O(N·D² + N²·D) multiplications, O(N) memory when fused",
)
CARDS = (
    SELF_CARD,
    replace(
        SELF_CARD,
        name="cross",
        title="Attention between two sources",
        module=CrossAttention,
        aliases=("cross_attention", "encoder_decoder"),
        waives={"plug": "it takes two sources; a site of a network gives one"},
    ),
)
