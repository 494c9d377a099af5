"""The stacks of a Transformer: its encoder, and its decoder between embedding and output."""

from __future__ import annotations

from torch import Tensor, nn

from .attention import LayerSetting
from .encoder_decoder import Source
from .layers import DecoderLayer, EncoderLayer, LayerPast, is_pre
from .positions import Positions
from .tokens import TokenEmbedding, check_count, check_ids, check_share, needed, real_tokens


class TransformerEncoder(nn.Module):
    """Ids → a vector for each token.

    Args:
        vocabulary: number of tokens.
        setting: of the layers; :class:`LayerSetting` has the paper's base as its defaults.
        layers: number of layers.
        pad: id of the padding.
        length: the most tokens that learned positions know.
    """

    def __init__(
        self,
        vocabulary: int,
        setting: LayerSetting | None = None,
        layers: int = 6,
        *,
        pad: int = 0,
        length: int = 512,
    ) -> None:
        super().__init__()
        setting = setting or LayerSetting()
        self.vocabulary, self.dim, self.pad = vocabulary, setting.dim, pad
        self.embedding = embedding_of(vocabulary, setting, pad)
        self.layers = nn.ModuleList(
            EncoderLayer(setting) for _ in range(check_count(layers, "layers"))
        )
        self.positions = positions_of(setting, length)
        self.dropout = nn.Dropout(check_share(setting.dropout))
        self.norm = last_norm(setting)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Ids ``[B, N]`` → ``[B, N, D]``.

        ``mask [B, N]`` is boolean, True = real; by default it is so where an id is not ``pad``.
        What stands at padding is of no use; it moves nothing else.
        """
        mask = real_tokens(check_ids(ids, self.vocabulary), mask, self.pad)
        shown = needed(mask)
        x = self.dropout(self.positions.add(self.embedding(ids)))
        given = self.positions.given(x)
        for layer in self.layers:
            x = layer(x, shown, given)
        return self.norm(x)


class TransformerDecoder(nn.Module):
    """Vectors of a target's tokens, and a source → a vector for each, of what was until there.

    Args:
        setting: of the layers.
        layers: number of layers.
        cross: name of the attention over the source.
        length: the most tokens that learned positions know.
    """

    def __init__(
        self, setting: LayerSetting, layers: int, *, cross: str = "multihead", length: int = 512
    ) -> None:
        super().__init__()
        count = check_count(layers, "layers")
        self.layers = nn.ModuleList(DecoderLayer(setting, cross) for _ in range(count))
        self.positions = positions_of(setting, length, causal=True)
        self.dropout = nn.Dropout(check_share(setting.dropout))
        self.norm = last_norm(setting)

    def begin(self) -> tuple[LayerPast, ...]:
        """An empty past for each layer."""
        return tuple(layer.begin() for layer in self.layers)  # type: ignore[operator]

    def forward(
        self,
        x: Tensor,
        source: Source,
        past: tuple[LayerPast, ...] | None = None,
        place: int = 0,
    ) -> Tensor:
        """Vectors ``[B, T, D]`` → ``[B, T, D]``.

        With a past these are the next tokens, the first at ``place``; the past grows.
        """
        shown = needed(source.mask)
        x = self.dropout(self.positions.add(x, place))
        given = self.positions.given(x, place)
        for i, layer in enumerate(self.layers):
            x = layer(x, source.values, shown, given, past and past[i])
        return self.norm(x)


def embedding_of(vocabulary: int, setting: LayerSetting, pad: int) -> TokenEmbedding:
    """Vectors of tokens as the Transformer has them, times √D."""
    return TokenEmbedding(
        vocabulary, setting.dim, pad, scaled=True, device=setting.device, dtype=setting.dtype
    )


def positions_of(setting: LayerSetting, length: int, causal: bool = False) -> Positions:
    """The positions of a stack."""
    return Positions(
        setting.positions, setting.dim, setting.heads, length=length, causal=causal,
        device=setting.device, dtype=setting.dtype,
    )  # fmt: skip


def last_norm(setting: LayerSetting) -> nn.Module:
    """The norm after a stack, where its layers have theirs first."""
    if not is_pre(setting):
        return nn.Identity()
    return nn.LayerNorm(setting.dim, device=setting.device, dtype=setting.dtype)
