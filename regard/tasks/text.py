"""What the tasks on text have in common: rows of tokens in batches, cross-entropy of what is real.

Batches have rows of nearly the same length, drawn from seed and epoch. An item is what gets an
answer: a token of a translation, a word, a text. Padding gets none and counts nowhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data.text import Ragged, Vocabulary, bucketed, in_order
from ..data.text.corpus import Corpus
from ..surgery.observation import run
from .codec import Codec
from .network import Network
from .task import Attended, Batch, Loss, Rows, Scores
from .translator import ROWS, TOKENS

IGNORED = -100
"""The target where there is nothing to answer."""
SHOWN, LONGEST_SHOWN = 3, 40  # texts whose attention is shown, and their tokens at most

_CPU = torch.device("cpu")

CorpusT = TypeVar("CorpusT", bound=Corpus[Any])
CodecT = TypeVar("CodecT", bound=Codec)


@dataclass(frozen=True, slots=True)
class Encoded:
    """One part of the data in numbers.

    Args:
        inputs: ids of each side that goes in.
        targets: what is to come out, rows as ``targets`` of a batch.
    """

    inputs: Ragged
    targets: Ragged

    @property
    def lengths(self) -> Sequence[Rows]:
        """Of both, which rows of a batch have nearly alike."""
        return self.inputs.lengths, self.targets.lengths

    def batches(self) -> list[Rows]:
        """All rows, from short to long."""
        return in_order(self.lengths, ROWS, most=TOKENS)


@dataclass(frozen=True, eq=False)
class TextTask(ABC, Generic[CorpusT, CodecT]):
    """A task on text.

    Args:
        data: the texts.
        codec: vocabularies and labels.
        measure: what is compared.
        device: where batches go.
    """

    kind: ClassVar[str]

    data: CorpusT
    codec: CodecT
    measure: str
    device: torch.device = _CPU

    @property
    def held_out(self) -> str:
        """The part that learning curves are of."""
        return "test" if self.data.validation is None else "validation"

    @property
    def answers(self) -> int:
        """One a text of test."""
        return len(self.data.test)

    def facts(self) -> dict[str, Any]:
        """Kind, measure, and what of the codec decides a training."""
        return {"kind": self.kind, "measure": self.measure, **self.codec.identity()}

    def to(self, device: str | torch.device) -> Self:
        """The same on a device."""
        there = torch.device(device)
        return self if there == self.device else replace(self, device=there)

    def build(self, network: Network) -> nn.Module:
        """A network of ours; see the codec."""
        return self.codec.build(network)

    def prepare(self, model: nn.Module) -> None:
        """Move a network to the device and :meth:`check` it."""
        model.to(self.device)
        self.check(model)

    def check(self, model: nn.Module) -> None:
        """Run a network on the shortest batch; RegardError if it fails."""
        shortest = np.argsort(self.encoded["train"].inputs.lengths, kind="stable")[:2]
        run(model, self.batch(shortest).inputs)

    def example(self, count: int) -> tuple[Tensor, ...]:
        """Inputs of median length: what a network usually gets."""
        order = np.argsort(self.encoded["train"].inputs.lengths, kind="stable")
        start = max(0, (len(order) - count) // 2)
        return self.batch(order[start : start + count]).inputs

    def order(self, size: int, *, seed: int, epoch: int) -> Sequence[Rows]:
        """Every row of train once, in batches of nearly equal lengths."""
        return bucketed(self.encoded["train"].lengths, size, seed=seed, epoch=epoch)

    def batch(self, rows: Rows) -> Batch:
        """These rows of train."""
        return self.laid_out(self.encoded["train"], rows)

    def loss(self, model: nn.Module, batch: Batch) -> Loss:
        """Cross-entropy of the items, and how many were right."""
        logits = model(*batch.inputs)
        mean = F.cross_entropy(logits.flatten(0, -2), batch.targets.flatten(), ignore_index=IGNORED)
        items = int((batch.targets != IGNORED).sum())
        return Loss(mean, items, float((logits.detach().argmax(-1) == batch.targets).sum()))

    @cached_property
    def encoded(self) -> dict[str, Encoded]:
        """Role → its part in numbers."""
        return {role: self.encode(part) for role, part in self.data.splits().items()}

    @abstractmethod
    def encode(self, part: Any) -> Encoded:
        """A part of the data in numbers."""

    @abstractmethod
    def laid_out(self, encoded: Encoded, rows: Rows) -> Batch:
        """Rows side by side, on the device."""

    @abstractmethod
    def evaluate(self, model: nn.Module, role: str) -> Scores:
        """How well a network does on a part."""

    @abstractmethod
    def attended(self, model: nn.Module, row: int) -> Attended:
        """What a network attends with on one text of test."""

    def shown(self) -> list[int]:
        """Rows of test whose attention is worth a look: some of different lengths, not long."""
        lengths = self.encoded["test"].inputs.lengths
        order = np.argsort(lengths, kind="stable")
        fitting = order[(lengths[order] > 1) & (lengths[order] <= LONGEST_SHOWN)]
        places = np.linspace(0, len(fitting) - 1, min(SHOWN, len(fitting)))
        return [int(fitting[round(place)]) for place in places.tolist()]

    @torch.no_grad()
    def answered(self, model: nn.Module, encoded: Encoded) -> tuple[float, Rows, Rows]:
        """Mean loss of all items, the answers and the targets, batch after batch as ``batches``."""
        model.eval()
        loss, guesses, truths = 0.0, [], []
        for rows in encoded.batches():
            batch = self.laid_out(encoded, rows)
            logits = model(*batch.inputs).float()
            real = batch.targets != IGNORED
            found, targets = logits[real], batch.targets[real]
            unknown = found.shape[1]  # a label that the network does not know is always wrong
            known = F.cross_entropy(found, targets, reduction="sum", ignore_index=unknown)
            loss += float(known)
            guesses.append(found.argmax(-1).cpu().numpy())
            truths.append(targets.cpu().numpy())
        count = sum(map(len, truths))
        return loss / max(count, 1), np.concatenate(guesses), np.concatenate(truths)


def by_head(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of the one sample ``[1, h, Nq, Nk]`` or ``[1, Nq, Nk]`` as ``[h, Nq, Nk]``."""
    return {
        place: found[0].reshape(-1, *found.shape[-2:]).float() for place, found in weights.items()
    }


def shown_tokens(vocabulary: Vocabulary, numbers: Iterable[int]) -> tuple[str, ...]:
    """Tokens to be read, without the space before them; one that is only a space is ``␣``."""
    return tuple(vocabulary.tokens[number].strip(" ▁") or "␣" for number in numbers)
