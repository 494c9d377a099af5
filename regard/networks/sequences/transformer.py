r"""The Transformer, an encoder-decoder.

Vaswani et al. 2017, arXiv:1706.03762: layers of self-attention and feed-forward networks with
residuals, a decoder that also attends over the source. Base: D 512, 8 heads, hidden 2048, 6 layers,
dropout 0.1; big: 1024, 16, 4096, 6, 0.3. Attention has no biases, as in the paper; with
``options={"bias": True}`` it is that of ``torch.nn.Transformer``.

``norm="post"`` is the paper's and has no norm after a stack; ``"pre"`` (tensor2tensor since its
second version, easier to train deep) has one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch.nn.functional as F
from torch import Tensor, nn

from .attention import LayerSetting
from .encoder_decoder import EncoderDecoder, Source
from .layers import LayerPast
from .stacks import TransformerDecoder, TransformerEncoder, embedding_of


@dataclass(frozen=True, slots=True)
class TransformerState:
    """What the decoder keeps: keys and values of every layer, and how many tokens there were."""

    source: Source
    layers: tuple[LayerPast, ...]
    place: int = 0

    def select(self, rows: Tensor) -> TransformerState:
        """The given samples, in the order given."""
        layers = tuple(layer.select(rows) for layer in self.layers)
        return replace(self, source=self.source.select(rows), layers=layers)


class Transformer(EncoderDecoder):
    """The encoder-decoder.

    Args:
        source_vocabulary: number of tokens of the source.
        target_vocabulary: of the target; by default source and target share one table of vectors,
            as in the paper.
        setting: of all layers; :class:`LayerSetting` has the paper's base as its defaults.
        layers: of the encoder and of the decoder.
        cross: name of the decoder's attention over the source.
        tied: the target's vectors are the output's weights too, as in the paper.
        length: the most tokens that learned positions know.
        pad, begin, end: ids of padding, and of the marks around a target.

    Raises:
        RegardError: for names and sizes that do not work, and self-attention that cannot be causal.
    """

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int | None = None,
        setting: LayerSetting | None = None,
        layers: int = 6,
        *,
        cross: str = "multihead",
        tied: bool = True,
        length: int = 512,
        pad: int = 0,
        begin: int = 1,
        end: int = 2,
    ) -> None:
        target = source_vocabulary if target_vocabulary is None else target_vocabulary
        super().__init__((source_vocabulary, target), pad=pad, begin=begin, end=end)
        setting = setting or LayerSetting()
        self.encoder = TransformerEncoder(
            source_vocabulary, setting, layers, pad=pad, length=length
        )
        self.longest = length if setting.positions == "learned" else None
        own = target_vocabulary is not None
        self.embedding = embedding_of(target, setting, pad) if own else None
        self.decoder = TransformerDecoder(setting, layers, cross=cross, length=length)
        if not tied:
            self.output = nn.Linear(
                setting.dim, target, bias=False, device=setting.device, dtype=setting.dtype
            )
        self.tied = tied

    def encode(self, source: Tensor, mask: Tensor | None = None) -> Source:
        """Source ids ``[B, S]`` → what the decoder attends over."""
        mask = self._mask(source, mask)
        return Source(self.encoder(source, mask), mask)

    def decode(self, target: Tensor, source: Source) -> Tensor:
        """Target ids ``[B, T]``, from the mark of the beginning on → logits ``[B, T, V]``."""
        return self._run(target, source, None, 0)

    def start(self, source: Source) -> TransformerState:
        """The state before the first step: nothing kept yet."""
        return TransformerState(source, self.decoder.begin())

    def step(self, tokens: Tensor, state: TransformerState) -> tuple[Tensor, TransformerState]:
        """The last tokens ``[B]`` → logits of the next ``[B, V]``, and the state after.

        The past grows in place: a state that was stepped from is not to be stepped from again.
        """
        logits = self._run(tokens.unsqueeze(1), state.source, state.layers, state.place)
        return logits[:, 0], replace(state, place=state.place + 1)

    def _run(
        self, ids: Tensor, source: Source, past: tuple[LayerPast, ...] | None, place: int
    ) -> Tensor:
        words = self.encoder.embedding if self.embedding is None else self.embedding
        x = self.decoder(words(ids), source, past, place)
        return F.linear(x, words.weight) if self.tied else self.output(x)
