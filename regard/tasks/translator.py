"""Encoder-decoders by name, and what they write for lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..data.text import Ragged, Vocabulary, in_order
from ..data.text.vocabulary import BEGIN, END, PAD
from ..networks.sequences import (
    EncoderDecoder,
    LayerSetting,
    RecurrentEncoderDecoder,
    Transformer,
    beam_search,
    greedy,
)
from .codec import Codec
from .encoding import HEADS, LAYERS, options_of
from .network import Network

SOURCE, TARGET = "source", "target"
ROWS, TOKENS = 256, 16_384  # of a batch, without gradients
_MARKS: dict[str, Any] = {"pad": PAD, "begin": BEGIN, "end": END}


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslationCodec(Codec):
    """The vocabularies of both sides."""

    kind: ClassVar[str] = "translation"

    @property
    def source(self) -> Vocabulary:
        """That of the source."""
        return self.vocabularies[SOURCE]

    @property
    def target(self) -> Vocabulary:
        """That of the target."""
        return self.vocabularies[TARGET]

    def build(self, network: Network) -> EncoderDecoder:
        """A recurrent encoder-decoder or a Transformer; attention by name is built into it.

        The recurrent one reads both ways, each half as wide as its states; attention is how it
        looks back. The Transformer is pre-norm, its hidden layer 4 D; it is its self-attention.
        """
        if network.name == "transformer":
            return self._transformer(network)
        dim, settings = network.size(self.dim), {"dropout": 0.1, **network.settings()}
        if network.attention is not None:
            settings |= {"attention": network.attention, **options_of(network)}
        return RecurrentEncoderDecoder(
            len(self.source), len(self.target), dim, dim, cell=network.name,
            encoder_hidden=max(1, dim // 2), **settings, **_MARKS,
        )  # fmt: skip

    def _transformer(self, network: Network) -> EncoderDecoder:
        dim, settings = network.size(self.dim), network.settings()
        layers = settings.pop("layers", LAYERS)
        if network.attention is not None:
            settings |= {"attention": network.attention, "options": options_of(network)}
        setting = LayerSetting(
            **{"dim": dim, "hidden": 4 * dim, "heads": HEADS, "norm": "pre", **settings}
        )
        return Transformer(
            len(self.source), len(self.target), setting, layers, length=self.length, **_MARKS
        )

    def predict(self, model: nn.Module, lines: Sequence[str], beams: int = 1) -> list[str]:
        """A translation of each line, by greedy search or by a beam."""
        ids = self.source.encode_all(lines)
        found = ["" for _ in lines]
        some = ids.lengths > 0
        for number, text in zip(
            some.nonzero()[0], self.write(model, ids.take(some), beams=beams), strict=True
        ):
            found[number] = text
        return found

    def write(
        self, model: nn.Module, ids: Ragged, *, beams: int = 1, most: int | None = None
    ) -> list[str]:
        """The targets that a network writes for sources of one token or more.

        Args:
            model: an encoder-decoder of :meth:`build`, on any device.
            ids: of the sources.
            beams: hypotheses that are followed; one is greedy search.
            most: tokens of a target, by default 50 more than its source has.
        """
        texts = ["" for _ in range(len(ids))]
        if not len(ids):
            return texts
        device = next(model.parameters()).device
        for rows in in_order([ids.lengths], max(1, ROWS // beams), most=TOKENS):
            source = side_by_side(ids, rows, device)
            found: list[Any] = (
                greedy(model, source, most=most)  # type: ignore[arg-type]
                if beams == 1
                else [h[0] for h in beam_search(model, source, beams=beams, most=most)]  # type: ignore[arg-type]
            )
            for row, hypothesis in zip(rows, found, strict=True):
                texts[row] = self.target.decode(hypothesis.tokens)
        return texts


def side_by_side(ids: Ragged, rows: Any, device: torch.device | str, fill: int = PAD) -> Tensor:
    """Rows of ids as a tensor int64 ``[B, longest]`` on a device, padded at the end."""
    return torch.from_numpy(ids.pad(rows, fill)[0].astype("int64")).to(device)
