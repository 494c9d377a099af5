"""A bag of words: every token by itself, in no order. The least that a network must beat."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .tokens import TokenEmbedding, check_ids, check_share, real_tokens, silent


class BagOfWords(nn.Module):
    """Ids → their vectors, and nothing else.

    Args:
        vocabulary: number of tokens.
        dim: width of the vectors.
        dropout: share of them dropped in training.
        pad: id of the padding.
    """

    def __init__(
        self,
        vocabulary: int,
        dim: int = 128,
        *,
        dropout: float = 0.0,
        pad: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.vocabulary, self.dim, self.pad = vocabulary, dim, pad
        self.embedding = TokenEmbedding(vocabulary, dim, pad, device=device, dtype=dtype)
        self.dropout = nn.Dropout(check_share(dropout))

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Ids ``[B, N]`` → ``[B, N, D]``, zeros at padding; ``mask [B, N]`` is True where real."""
        mask = real_tokens(check_ids(ids, self.vocabulary), mask, self.pad)
        return silent(self.dropout(self.embedding(ids)), mask)
