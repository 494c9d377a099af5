"""Text split into train, test and, where wanted, validation; the base of the three tasks."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np

from ...errors import RegardError
from ..storage import Kind, not_prepared, read_array, read_header, write_arrays
from ..tree import shown
from .ragged import Array, Chosen, Ints

ROLES = ("train", "test", "validation")


class Part(ABC):
    """One split: N sentences, pairs or texts in arrays."""

    @abstractmethod
    def __len__(self) -> int:
        """N."""

    @abstractmethod
    def take(self, chosen: Chosen) -> Self:
        """What a mask ``[N]`` or an index selects, copied."""

    @abstractmethod
    def arrays(self) -> dict[str, Array]:
        """All content, for the file and the fingerprint."""

    @classmethod
    @abstractmethod
    def read(cls, array: Callable[[str], Array]) -> Self:
        """From a function that gives each array of :meth:`arrays` by its name."""

    @abstractmethod
    def texts(self) -> Iterator[tuple[str, ...]]:
        """What a network sees of each item; for pairs both sides."""

    @abstractmethod
    def sizes(self) -> dict[str, Ints]:
        """Name → length of each item, such as words ``[N]``."""

    @abstractmethod
    def labels(self) -> Ints:
        """Index of every label, one behind the other; none for pairs."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self):,})"


PartT = TypeVar("PartT", bound=Part)


@dataclass(frozen=True, slots=True, eq=False)
class Corpus(Generic[PartT]):
    """The data of one task on text.

    Args:
        train, test: what is trained on, and what the result is measured on.
        name: how reports call the data.
        classes: names of the labels; none for translation.
        validation: for choices made before the test; None where there is none.
        notes: what was done to the data, one sentence each.
        fingerprint: sha256 over texts, labels and class names, computed where it is empty. It
            depends neither on the name, the notes nor the process.

    Raises:
        RegardError: a part is empty, or its labels are beyond the classes.
    """

    TASK: ClassVar[str]
    PART: ClassVar[type[Part]]

    train: PartT
    test: PartT
    name: str
    classes: tuple[str, ...] = ()
    validation: PartT | None = None
    notes: tuple[str, ...] = ()
    fingerprint: str = ""

    def __post_init__(self) -> None:
        for role, part in self.splits().items():
            if not len(part):
                raise RegardError(f"{shown(self.name)}: {role} is empty; expected some text")
            labels = part.labels()
            low, high = int(labels.min(initial=0)), int(labels.max(initial=-1))
            if low < 0 or high >= len(self.classes):
                raise RegardError(
                    f"{shown(self.name)}: {role} has labels {low} to {high} for "
                    f"{len(self.classes)} classes"
                )
        if not self.fingerprint:
            object.__setattr__(self, "fingerprint", self._digest())

    @classmethod
    def of(
        cls, parts: Mapping[str, PartT], name: str, classes: Sequence[str], notes: Sequence[str]
    ) -> Self:
        """From role → part; ``train`` and ``test`` are there."""
        held = parts.get("validation")
        return cls(parts["train"], parts["test"], name, tuple(classes), held, tuple(notes))

    def splits(self) -> dict[str, PartT]:
        """Role → part, in the order train, test, validation; absent ones left out."""
        found = {"train": self.train, "test": self.test}
        return found if self.validation is None else {**found, "validation": self.validation}

    def describe(self) -> str:
        """A few lines for a terminal: sizes, lengths, classes, notes."""
        counts = ", ".join(f"{len(part):,} {role}" for role, part in self.splits().items())
        lengths = [
            f"{name}: median {np.median(sizes):g}, longest {sizes.max():,} in train"
            for name, sizes in self.train.sizes().items()
        ]
        lines = [f"{shown(self.name)}: {counts}", *lengths, *self._facts()]
        return "\n".join([*lines, *(f"- {shown(note)}" for note in self.notes)])

    def chance(self) -> float:
        """Share of the test labels that are the one most frequent in train; NaN without labels."""
        labels = self.test.labels()
        if not len(labels):
            return float("nan")
        return float((labels == np.bincount(self.train.labels()).argmax()).mean())

    def _facts(self) -> list[str]:
        names = [shown(name) for name in self.classes]
        if not names:
            return []
        listed = ", ".join(names if len(names) <= 20 else [*names[:18], "…", names[-1]])
        return [
            f"{len(names)} labels: {listed}",
            f"always answering the commonest is right {self.chance():.1%} of the time",
        ]

    def _digest(self) -> str:
        digest = hashlib.sha256(f"{self.TASK} {len(self.classes)} classes".encode())
        for name in self.classes:
            text = name.encode()
            digest.update(len(text).to_bytes(8, "little") + text)
        for role, part in self.splits().items():
            for key, array in part.arrays().items():
                plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
                digest.update(f"{role} {key} {plain.dtype.str} {plain.shape}".encode())
                digest.update(plain.data)
        return digest.hexdigest()

    def save(self, folder: str | Path) -> Path:
        """Write arrays (``.npy``) and one JSON file to a new folder, whole or not at all.

        Raises:
            RegardError: the folder holds something else, or cannot be written.
        """
        header = {
            "name": self.name,
            "classes": list(self.classes),
            "notes": list(self.notes),
            "fingerprint": self.fingerprint,
            "splits": list(self.splits()),
        }
        arrays = {
            f"{role}_{key}": array
            for role, part in self.splits().items()
            for key, array in part.arrays().items()
        }
        write_arrays(Path(folder), header, arrays, self._kind())
        return Path(folder)

    @classmethod
    def load(cls, folder: str | Path, *, check: bool = True) -> Self:
        """Read what :meth:`save` wrote, memory-mapped.

        Args:
            folder: the folder given to :meth:`save`.
            check: compute the fingerprint again, which reads every byte once.

        Raises:
            RegardError: the folder is missing, damaged, another task's or another program's.
        """
        folder = Path(folder)
        try:
            found = cls._build(folder, read_header(folder, cls._kind()))
            if check and found.fingerprint != found._digest():
                raise RegardError("the arrays do not match the fingerprint")
        except (RegardError, KeyError, TypeError, ValueError) as error:
            raise not_prepared(folder, str(error), cls._kind()) from error
        return found

    @classmethod
    def _kind(cls) -> Kind:
        return Kind(f"regard {cls.TASK} 1", f"{cls.TASK}.json", f"{cls.TASK} data")

    @classmethod
    def _build(cls, folder: Path, header: Mapping[str, Any]) -> Self:
        classes, notes, roles = (_texts(header[key]) for key in ("classes", "notes", "splits"))
        if roles not in (ROLES[:2], ROLES):
            raise RegardError(f"splits are {roles}")
        name, fingerprint = _texts([header["name"], header["fingerprint"]])
        if not fingerprint:
            raise RegardError("there is no fingerprint")
        parts: dict[str, Any] = {
            role: cls.PART.read(partial(_read, folder, role)) for role in roles
        }
        held = parts.get("validation")
        return cls(parts["train"], parts["test"], name, classes, held, notes, fingerprint)


def _read(folder: Path, role: str, key: str) -> Array:
    return read_array(folder, f"{role}_{key}")


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise RegardError("the header holds something else than text")
    return tuple(values)
