"""Sentences of words with a label each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np

from ...errors import RegardError
from .corpus import Corpus, Part
from .ragged import Array, Chosen, Ints, Ragged, Strings, bounds_of


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tagged(Part):
    """N sentences.

    Args:
        words: all words, one behind the other.
        tags: the label of each word, int64, one row a sentence.

    Raises:
        RegardError: the numbers of words and of tags differ.
    """

    words: Strings
    tags: Ragged

    def __post_init__(self) -> None:
        if len(self.words) != len(self.tags.values):
            raise RegardError(f"{len(self.words):,} words have {len(self.tags.values):,} tags")

    @classmethod
    def of(
        cls, sentences: Sequence[tuple[Sequence[str], Sequence[str]]], classes: Sequence[str]
    ) -> Self:
        """From words and tags of each sentence; every tag is one of the classes."""
        index = {name: number for number, name in enumerate(classes)}
        words = Strings.of(word for words, _ in sentences for word in words)
        tags = np.array([index[tag] for _, tags in sentences for tag in tags], np.int64)
        return cls(words, Ragged(tags, bounds_of([len(words) for words, _ in sentences])))

    def __len__(self) -> int:
        return len(self.tags)

    def sentence(self, place: int) -> tuple[list[str], Ints]:
        """Words and labels of one sentence."""
        place = range(len(self))[place]
        low, high = self.tags.bounds[place : place + 2]
        return [self.words[number] for number in range(low, high)], self.tags[place]

    def take(self, chosen: Chosen) -> Self:
        """Sentences that a mask ``[N]`` or an index selects, copied."""
        order = Ragged(np.arange(len(self.words)), self.tags.bounds).take(chosen)
        return type(self)(self.words.take(order.values), self.tags.take(chosen))

    def arrays(self) -> dict[str, Array]:
        """The words' bytes and bounds, the tags and the sentences' bounds."""
        return {
            "words": self.words.packed.values,
            "word_bounds": self.words.packed.bounds,
            "tags": self.tags.values,
            "bounds": self.tags.bounds,
        }

    @classmethod
    def read(cls, array: Callable[[str], Array]) -> Self:
        """From a function that gives each array of :meth:`arrays` by its name."""
        words = Strings(Ragged(array("words"), array("word_bounds")))
        return cls(words, Ragged(array("tags"), array("bounds")))

    def texts(self) -> Iterator[tuple[str, ...]]:
        """The words of each sentence with a space between."""
        words, bounds = list(self.words), self.tags.bounds.tolist()
        return ((" ".join(words[a:b]),) for a, b in pairwise(bounds))

    def sizes(self) -> dict[str, Ints]:
        """Words of each sentence."""
        return {"words of a sentence": self.tags.lengths}

    def labels(self) -> Ints:
        """The label of every word."""
        return self.tags.values


class Tagging(Corpus[Tagged]):
    """The data of a tagging task: ``classes`` are the tags."""

    TASK = "tagging"
    PART = Tagged

    def baseline(self) -> float:
        """Share right on test when each word gets the tag that it has most often in train.

        Words that train lacks get the commonest tag of all.
        """
        counts: dict[str, Counter[int]] = {}
        tags = self.train.labels()
        for word, tag in zip(self.train.words, tags.tolist(), strict=True):
            counts.setdefault(word, Counter())[tag] += 1
        best = {word: min(c, key=lambda tag: (-c[tag], tag)) for word, c in counts.items()}
        commonest = int(np.bincount(tags).argmax())
        guesses = np.array([best.get(word, commonest) for word in self.test.words], np.int64)
        return float((guesses == self.test.labels()).mean())

    def _facts(self) -> list[str]:
        known = set(self.train.words)
        unknown = np.mean([word not in known for word in self.test.words])
        return [
            *Corpus._facts(self),
            f"each word's commonest tag is right {self.baseline():.1%} of the time; "
            f"{unknown:.1%} of the words of test are not in train",
        ]
