"""A tagger and a classifier on top of any encoder: one label a token, or one a sequence."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...errors import RegardError, nearest
from .encoder_decoder import evaluating, weights_of
from .pooling import POOLINGS, AttentionPooling
from .tokens import check_count, check_ids, check_share, real_tokens


class Tagger(nn.Module):
    """One label for every token.

    Args:
        encoder: ids ``[B, N]`` and mask → ``[B, N, D]``, with ``vocabulary``, ``dim`` and ``pad``,
            as all encoders of this folder.
        classes: number of labels.
        dropout: share of the features dropped in training.
    """

    def __init__(self, encoder: nn.Module, classes: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder, self.dropout = encoder, nn.Dropout(check_share(dropout))
        self.output = output_of(encoder, classes)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Ids ``[B, N]`` → logits ``[B, N, classes]``, of no use at padding.

        ``mask [B, N]`` is boolean, True = real; by default it is so where an id is not padding.
        """
        return self.output(self.dropout(self.encoder(ids, mask)))

    def attention_weights(self, ids: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        """The weights ``[B, h, N, N]`` of every attention, by its name; nothing is kept."""
        return weights_of(self, ids, mask)


class Classifier(nn.Module):
    """One label for a sequence.

    Args:
        encoder: as for :class:`Tagger`.
        classes: number of labels.
        pooling: ``mean`` or ``max`` over the real tokens, or ``attention``, see
            :class:`AttentionPooling`.
        dropout: share of the vector dropped in training.
    """

    def __init__(
        self, encoder: nn.Module, classes: int, *, pooling: str = "mean", dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.encoder, self.dropout = encoder, nn.Dropout(check_share(dropout))
        known = (*POOLINGS, "attention")
        if pooling not in known:
            raise RegardError(f"no pooling is called {pooling!r}{nearest(pooling, known)}")
        self.pooling: Any = POOLINGS.get(pooling)
        if self.pooling is None:
            self.pooling = AttentionPooling(encoder.dim, **place_of(encoder))  # type: ignore[arg-type]
        self.output = output_of(encoder, classes)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Ids ``[B, N]`` → logits ``[B, classes]``; ``mask`` as in :class:`Tagger`."""
        mask = self._mask(ids, mask)
        return self.output(self.dropout(self.pooling(self.encoder(ids, mask), mask)))

    @torch.no_grad()
    def attention_weights(self, ids: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        """The weights of every attention, by its name; of the pooling ``[B, 1, N]``."""
        found = weights_of(self, ids, mask)
        if isinstance(self.pooling, AttentionPooling):
            with evaluating(self):
                mask = self._mask(ids, mask)
                weights = self.pooling.weights(self.encoder(ids, mask), mask)
            found["pooling"] = weights.unsqueeze(1).cpu()
        return found

    def _mask(self, ids: Tensor, mask: Tensor | None) -> Tensor:
        return real_tokens(check_ids(ids, self.encoder.vocabulary), mask, self.encoder.pad)  # type: ignore[arg-type]


def place_of(encoder: nn.Module) -> dict[str, Any]:
    """Device and dtype of an encoder."""
    weight = next(encoder.parameters())
    return {"device": weight.device, "dtype": weight.dtype}


def output_of(encoder: nn.Module, classes: int) -> nn.Linear:
    """The layer that makes logits of an encoder's features."""
    return nn.Linear(encoder.dim, check_count(classes, "classes"), **place_of(encoder))  # type: ignore[arg-type]
