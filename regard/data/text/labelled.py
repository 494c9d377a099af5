"""Texts with one label each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from ...errors import RegardError
from .corpus import Corpus, Part
from .ragged import Array, Chosen, Ints, Ragged, Strings


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Labelled(Part):
    """N texts.

    Args:
        text: one a label.
        classes: int64 ``[N]``, indices into the class names.

    Raises:
        RegardError: the numbers of texts and of labels differ, or the labels are no int64.
    """

    text: Strings
    classes: Ints

    def __post_init__(self) -> None:
        if self.classes.dtype != np.int64 or self.classes.shape != (len(self.text),):
            raise RegardError(
                f"labels are {self.classes.dtype} {list(self.classes.shape)}; "
                f"expected int64 [{len(self.text)}]"
            )

    @classmethod
    def of(cls, rows: Sequence[tuple[str, str]], classes: Sequence[str]) -> Self:
        """From text and class name of each; every name is one of the classes."""
        index = {name: number for number, name in enumerate(classes)}
        labels = np.array([index[label] for _, label in rows], np.int64)
        return cls(Strings.of(text for text, _ in rows), labels)

    def __len__(self) -> int:
        return len(self.text)

    def take(self, chosen: Chosen) -> Self:
        """Texts that a mask ``[N]`` or an index selects, copied."""
        return type(self)(self.text.take(chosen), self.classes[chosen])

    def arrays(self) -> dict[str, Array]:
        """Bytes and bounds of the texts, and the labels."""
        return {
            "text": self.text.packed.values,
            "bounds": self.text.packed.bounds,
            "classes": self.classes,
        }

    @classmethod
    def read(cls, array: Callable[[str], Array]) -> Self:
        """From a function that gives each array of :meth:`arrays` by its name."""
        return cls(Strings(Ragged(array("text"), array("bounds"))), array("classes"))

    def texts(self) -> Iterator[tuple[str, ...]]:
        """Each text."""
        return ((text,) for text in self.text)

    def sizes(self) -> dict[str, Ints]:
        """Characters of each text."""
        return {"characters of a text": np.array([len(t) for t in self.text], np.int64)}

    def labels(self) -> Ints:
        """The label of every text."""
        return self.classes


class Classification(Corpus[Labelled]):
    """The data of a text classification task."""

    TASK = "classification"
    PART = Labelled
