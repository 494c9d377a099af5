"""Translation: the next token of a target is learned; what a network writes by itself is measured.

Exact match is the share of the test sentences that are written as the reference is. BLEU and chrF
are those of sacrebleu, as shares. ``accuracy`` is that of the next token, the ones before given.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from ..data.text import Translation
from ..data.text.pairs import Pairs
from ..data.text.vocabulary import BEGIN, PAD
from ..data.text.words import UNSPACED
from . import scores
from .task import Attended, Batch, Rows, Scores
from .text import IGNORED, Encoded, TextTask, by_head, shown_tokens
from .translator import TranslationCodec, side_by_side

MEASURES = ("exact", "bleu", "chrf")
BUCKETS = 6  # of the lengths of sources


class TranslationTask(TextTask[Translation, TranslationCodec]):
    """Pairs of sentences; ``measure`` is one of ``MEASURES``.

    BLEU and chrF are computed only where one of them is the measure: exact match needs no further
    library.
    """

    kind: ClassVar[str] = "translation"

    def encode(self, part: Pairs) -> Encoded:
        """Sources as they are, targets between the marks of beginning and end."""
        source, target = self.codec.source, self.codec.target
        return Encoded(source.encode_all(part.source), target.encode_all(part.target, ends=True))

    def laid_out(self, encoded: Encoded, rows: Rows) -> Batch:
        """Source and target without its end go in; the target without its beginning comes out."""
        source, target = (
            side_by_side(side, rows, self.device) for side in (encoded.inputs, encoded.targets)
        )
        after = target[:, 1:]
        return Batch((source, target[:, :-1]), after.masked_fill(after == PAD, IGNORED))

    def evaluate(self, model: nn.Module, role: str) -> Scores:
        """Measures of what is written; each also ``by_length`` of the source, in tokens."""
        part, encoded = self.data.splits()[role], self.encoded[role]
        loss, guesses, truths = self.answered(model, encoded)
        most = int(self.encoded["train"].targets.lengths.max())
        written = self.codec.write(model, encoded.inputs, most=most)
        pairs = np.array([written, list(part.target)], dtype=object)
        measures, signatures = self._measured(pairs)
        accuracy = scores.accuracy(guesses, truths)
        parts: dict[str, Any] = {"by_length": self._by_length(pairs, encoded.inputs.lengths)}
        if signatures:
            parts["signatures"] = signatures
        return Scores(loss, {**measures, "accuracy": accuracy}, parts)

    def attended(self, model: nn.Module, row: int) -> Attended:
        """How what is written looks at the source; a Transformer's layers one by one."""
        source = self.encoded["test"].inputs.take(np.array([row]))
        (text,) = self.codec.write(model, source)
        tokens = self.codec.target.encode(text)
        ids = side_by_side(source, np.array([0]), self.device)
        target = torch.tensor([[BEGIN, *tokens]], device=self.device)
        weights = by_head(model.attention_weights(ids, target))  # type: ignore[operator]
        columns = shown_tokens(self.codec.source, source[0])
        written = (*shown_tokens(self.codec.target, tokens), "■")
        across = {k: v for k, v in weights.items() if v.shape[1:] == (len(written), len(columns))}
        same = len(written) == len(columns)
        cross = {k: v for k, v in across.items() if not same or "attention" not in k}
        return Attended(written, columns, cross, f"to be written: {self.data.test.target[row]}")

    def _measured(self, pairs: Any) -> tuple[dict[str, float], dict[str, str]]:
        """Measures of written and true targets ``[2, N]``, and how sacrebleu was set."""
        written, true = pairs.tolist()
        found, signatures = {"exact": scores.exact(written, true)}, {}
        if self.measure != "exact":
            bleu = partial(scores.bleu, chinese=self._chinese)
            for name, score in (("bleu", bleu), ("chrf", scores.chrf)):
                made = score(written, true)
                found[name] = min(made.value, 1.0)  # a perfect one may be more by rounding
                signatures[name] = made.signature
        return found, signatures

    def _by_length(self, pairs: Any, lengths: Rows) -> list[dict[str, Any]]:
        width = max(1, round(float(np.quantile(lengths, 0.98)) / BUCKETS))
        edges = tuple(width * (i + 1) for i in range(BUCKETS - 1))
        return [
            {
                "label": label,
                "length": float(lengths[rows].mean()),
                "sentences": len(rows),
                **self._measured(pairs[:, rows])[0],
            }
            for label, rows in scores.by_length(np.maximum(lengths, 1), edges).items()
        ]

    @property
    def _chinese(self) -> bool:
        """Whether most letters of the first targets are Chinese or kana."""
        targets = self.data.train.target
        letters = [c for i in range(min(len(targets), 200)) for c in targets[i] if c.isalpha()]
        unspaced = re.compile(f"[{UNSPACED}]")
        return sum(unspaced.match(letter) is not None for letter in letters) > len(letters) / 2
