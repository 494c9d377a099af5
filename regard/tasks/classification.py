"""Text classification: one label for a text; accuracy and macro F1."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import nn

from ..data.text import Classification, Ragged
from ..data.text.labelled import Labelled
from . import scores
from .labeller import TEXT, ClassificationCodec
from .task import Attended, Batch, Rows, Scores
from .text import Encoded, TextTask, by_head, shown_tokens
from .translator import side_by_side

MEASURES = ("accuracy", "f1")


class ClassificationTask(TextTask[Classification, ClassificationCodec]):
    """Texts with a label each; ``measure`` is one of ``MEASURES``."""

    kind: ClassVar[str] = "classification"

    def encode(self, part: Labelled) -> Encoded:
        """Tokens of each text, and its label as a row of one."""
        labels = self.codec.numbers(self.data.classes)[part.classes]
        ids = self.codec.vocabularies[TEXT].encode_all(part.text)
        return Encoded(ids, Ragged(labels, np.arange(len(labels) + 1)))

    def laid_out(self, encoded: Encoded, rows: Rows) -> Batch:
        """Tokens go in, one label a text comes out."""
        ids = side_by_side(encoded.inputs, rows, self.device)
        return Batch((ids,), torch.from_numpy(encoded.targets.values[rows]).to(self.device))

    def evaluate(self, model: nn.Module, role: str) -> Scores:
        """Accuracy and macro F1."""
        loss, guesses, truths = self.answered(model, self.encoded[role])
        f1 = scores.macro_f1(guesses, truths, len(self.codec.classes) + 1)
        return Scores(loss, {"accuracy": scores.accuracy(guesses, truths), "f1": f1})

    def attended(self, model: nn.Module, row: int) -> Attended:
        """How the tokens of a text look at each other, and the pooling at all of them."""
        ids = self.encoded["test"].inputs.take(np.array([row]))
        weights = model.attention_weights(side_by_side(ids, np.array([0]), self.device))  # type: ignore[operator]
        tokens = shown_tokens(self.codec.vocabularies[TEXT], ids[0])
        label = self.data.classes[self.data.test.classes[row]]
        return Attended(tokens, tokens, by_head(weights), f"label: {label}")
