"""An encoder with one self-attention on top, such as a BiGRU that then looks at all of the text."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from .attention import LayerSetting, self_attention
from .layers import Residual
from .tokens import check_ids, needed, real_tokens

_NONE: Mapping[str, Any] = MappingProxyType({})


class AttentiveEncoder(nn.Module):
    """``norm(x + attention(x))`` of what another encoder gives.

    Args:
        encoder: ids ``[B, N]`` → ``[B, N, D]``, with ``vocabulary``, ``dim`` and ``pad``.
        attention: its name in the catalogue.
        heads: h, if it has heads.
        options: its further options.
        dropout: share of the attention's output dropped in training.
    """

    def __init__(
        self,
        encoder: nn.Module,
        attention: str = "multihead",
        heads: int = 8,
        *,
        options: Mapping[str, Any] = _NONE,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.vocabulary, self.dim, self.pad = encoder.vocabulary, encoder.dim, encoder.pad
        weight = next(encoder.parameters())
        setting = LayerSetting(
            dim=encoder.dim,  # type: ignore[arg-type]
            heads=heads,
            dropout=dropout,
            attention=attention,
            options=options,
            positions="none",
            device=weight.device,
            dtype=weight.dtype,
        )
        self.attention = self_attention(setting)
        self.around_attention = Residual(setting)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Ids ``[B, N]`` → ``[B, N, D]``; ``mask [B, N]`` is True where a token is real."""
        mask = real_tokens(check_ids(ids, self.vocabulary), mask, self.pad)  # type: ignore[arg-type]
        x, shown = self.encoder(ids, mask), needed(mask)
        return self.around_attention(x, lambda y: self.attention(y, mask=shown))
