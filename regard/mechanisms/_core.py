"""What the five scores share as mechanisms: queries, keys and values in, no projection of them."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from ..ops import attend, expect
from ..ops.attention import Score
from ._gate import check_size


class Core(nn.Module):
    """Attention with one score and nothing else. A subclass names the score and its parameters.

    Args:
        dim: width of queries and, by default, of keys; None takes any (for scores without weights).
    """

    score: ClassVar[Score]

    def __init__(self, dim: int | None = None, key_dim: int | None = None) -> None:
        super().__init__()
        self.dim = None if dim is None else check_size(dim, "dim")
        self.key_dim = dim if key_dim is None else check_size(key_dim, "key_dim")

    def learned(self) -> tuple[Tensor, ...]:
        """The parameters of the score, as ``regard.ops.attend`` takes them."""
        return ()

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        mask: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """Attention of ``query`` over ``key`` and ``value``.

        Args:
            query: ``[B, Nq, d]`` or ``[B, h, Nq, d]``.
            key: ``[B, Nk, d]``, by default the query; value: ``[B, Nk, dv]``, by default the key.
            mask: boolean, True = may attend; ``[B, Nk]``, ``[B, Nq, Nk]`` or ``[B, h, Nq, Nk]``.
            causal: a query sees no later key.

        Returns:
            ``[B, Nq, dv]`` or ``[B, h, Nq, dv]``.
        """
        key = query if key is None else key
        value = key if value is None else value
        if self.dim is not None and self.key_dim is not None:
            query = expect(query, -1, self.dim, f"{self.score} (queries)")
            key = expect(key, -1, self.key_dim, f"{self.score} (keys)")
        out = attend(query, key, value, self.score, self.learned(), mask=mask, causal=causal)
        return owned(out)


def owned(out: Tensor) -> Tensor:
    """A copy where autograd holds the output of fused attention: the caller may write into ours."""
    return out.clone() if torch.is_grad_enabled() else out
