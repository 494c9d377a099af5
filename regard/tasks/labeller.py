"""Taggers and classifiers by name, and the labels they give to lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..data.text import Ragged, Strings, in_order
from ..data.text.ragged import bounds_of
from ..networks.sequences import Classifier, Tagger
from .codec import Codec
from .encoding import build_on_text
from .network import Network
from .translator import ROWS, TOKENS, side_by_side

WORDS, TEXT = "words", "text"


@dataclass(frozen=True, kw_only=True, slots=True)
class TaggingCodec(Codec):
    """The vocabulary of words, and the tags."""

    kind: ClassVar[str] = "tagging"

    def build(self, network: Network) -> Tagger:
        """A tagger on an encoder; see :func:`regard.tasks.encoding.build_on_text`."""
        return Tagger(build_on_text(network, self, WORDS), len(self.classes))

    def predict(self, model: nn.Module, lines: Sequence[str]) -> list[str]:
        """The tags of the words of each line, which have spaces between them, as the tags have."""
        ids = self.ids([line.split() for line in lines])
        found = ["" for _ in lines]
        for row, logits in answers(model, ids):
            tags = logits[: ids.lengths[row]].argmax(1).tolist()
            found[row] = " ".join(self.classes[tag] for tag in tags)
        return found

    def ids(self, sentences: Sequence[Sequence[str]]) -> Ragged:
        """Numbers of given words."""
        bounds = bounds_of([len(words) for words in sentences])
        words = Strings.of(word for words in sentences for word in words)
        return self.vocabularies[WORDS].index(words, Ragged(np.zeros(len(words)), bounds))


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassificationCodec(Codec):
    """The vocabulary of the texts, and the classes."""

    kind: ClassVar[str] = "classification"

    def build(self, network: Network) -> Classifier:
        """A classifier on an encoder, which pools by the ``mean`` unless its options say else."""
        pooling = network.options.get("pooling", "mean")
        return Classifier(build_on_text(network, self, TEXT), len(self.classes), pooling=pooling)

    def predict(self, model: nn.Module, lines: Sequence[str]) -> list[str]:
        """The class of each line."""
        ids = self.vocabularies[TEXT].encode_all(lines)
        found = ["" for _ in lines]
        for row, logits in answers(model, ids):
            found[row] = self.classes[int(logits.argmax())]
        return found


@torch.no_grad()
def answers(model: nn.Module, ids: Ragged) -> Iterator[tuple[int, Tensor]]:
    """Row and logits, on the CPU, of each sequence of a token or more, in no order."""
    model.eval()
    device = next(model.parameters()).device
    some = np.flatnonzero(ids.lengths)
    if not len(some):
        return
    for chosen in in_order([ids.lengths[some]], ROWS, most=TOKENS):
        rows = some[chosen]
        logits = model(side_by_side(ids, rows, device)).cpu()
        yield from zip(rows.tolist(), logits, strict=True)
