"""Tagging: a label for every word; accuracy, macro F1, and accuracy on words that train lacks."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from torch import nn

from ..data.text import Ragged, Tagging
from ..data.text.tagged import Tagged
from ..data.text.vocabulary import UNKNOWN
from . import scores
from .labeller import WORDS, TaggingCodec
from .task import Attended, Batch, Rows, Scores
from .text import IGNORED, Encoded, TextTask, by_head
from .translator import side_by_side

MEASURES = ("accuracy", "f1")


class TaggingTask(TextTask[Tagging, TaggingCodec]):
    """Sentences of words with a label each; ``measure`` is one of ``MEASURES``."""

    kind: ClassVar[str] = "tagging"

    @property
    def answers(self) -> int:
        """One a word of test."""
        return len(self.data.test.tags.values)

    def encode(self, part: Tagged) -> Encoded:
        """Numbers of the words and of their labels."""
        words = self.codec.vocabularies[WORDS].index(part.words, part.tags)
        labels = self.codec.numbers(self.data.classes)[part.tags.values]
        return Encoded(words, Ragged(labels, part.tags.bounds))

    def laid_out(self, encoded: Encoded, rows: Rows) -> Batch:
        """Words go in, labels come out."""
        ids = side_by_side(encoded.inputs, rows, self.device)
        return Batch((ids,), side_by_side(encoded.targets, rows, self.device, IGNORED))

    def evaluate(self, model: nn.Module, role: str) -> Scores:
        """Accuracy, macro F1, and ``unknown``, the accuracy on words that the network never saw."""
        encoded = self.encoded[role]
        loss, guesses, truths = self.answered(model, encoded)
        measures = {
            "accuracy": scores.accuracy(guesses, truths),
            "f1": scores.macro_f1(guesses, truths, len(self.codec.classes) + 1),
        }
        order = np.concatenate(encoded.batches())
        unknown = encoded.inputs.take(order).values == UNKNOWN
        if unknown.any():
            measures["unknown"] = scores.accuracy(guesses[unknown], truths[unknown])
        return Scores(loss, measures, {"unknown_words": int(unknown.sum())})

    def attended(self, model: nn.Module, row: int) -> Attended:
        """How the words of a sentence look at each other."""
        ids = self.encoded["test"].inputs.take(np.array([row]))
        weights = model.attention_weights(side_by_side(ids, np.array([0]), self.device))  # type: ignore[operator]
        words, tags = self.data.test.sentence(row)
        told = " ".join(f"{w}/{self.data.classes[t]}" for w, t in zip(words, tags, strict=True))
        return Attended(tuple(words), tuple(words), by_head(weights), told)
