"""What stands between texts and a network, and is kept with it: vocabularies, labels, sizes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from torch import nn

from ..data.text import Vocabulary
from ..data.text.vocabulary_file import of_facts
from .network import Network


@dataclass(frozen=True, kw_only=True, slots=True)
class Codec(ABC):
    """Texts ↔ numbers.

    Args:
        vocabularies: side → its vocabulary; the sides are the kind's own.
        classes: names of the labels; none for translation.
        dim: D, width of a network that says none.
        length: the most tokens that learned positions are to know.
    """

    kind: ClassVar[str]

    vocabularies: Mapping[str, Vocabulary]
    classes: tuple[str, ...] = ()
    dim: int = 256
    length: int = 512

    @abstractmethod
    def build(self, network: Network) -> nn.Module:
        """A network with fresh weights drawn from PyTorch's random state.

        Raises:
            RegardError: for options that do not work.
        """

    @abstractmethod
    def predict(self, model: nn.Module, lines: Sequence[str]) -> list[str]:
        """An answer for each line, in the same order; an empty one for an empty line."""

    def numbers(self, names: Sequence[str]) -> npt.NDArray[np.int64]:
        """The labels of given names ``[N]``; one that is not known is one above all others."""
        known = {name: number for number, name in enumerate(self.classes)}
        return np.array([known.get(name, len(known)) for name in names], np.int64)

    def identity(self) -> dict[str, Any]:
        """What of it decides a training, vocabularies by their fingerprints."""
        found = {side: v.fingerprint for side, v in self.vocabularies.items()}
        return {"dim": self.dim, "length": self.length, "vocabularies": found}

    def facts(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "vocabularies": {side: v.facts() for side, v in self.vocabularies.items()},
            "classes": list(self.classes),
            "dim": self.dim,
            "length": self.length,
        }

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Self:
        """From what :meth:`facts` gave.

        Raises:
            RegardError, KeyError, TypeError, AttributeError: for anything else.
        """
        return cls(
            vocabularies={side: of_facts(v) for side, v in facts["vocabularies"].items()},
            classes=tuple(map(str, facts["classes"])),
            dim=int(facts["dim"]),
            length=int(facts["length"]),
        )
