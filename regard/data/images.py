"""Images with labels, split into train, test and, where wanted, validation."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RegardError
from .storage import not_prepared, read_array, read_header, write_arrays
from .tree import shown

ROLES = ("train", "test", "validation")
CHUNK = 1 << 22  # pixels counted at a time, so that a large set needs little extra memory


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Split:
    """Images and their labels.

    Args:
        images: uint8 ``[N, C, H, W]``, C = 1 (grey) or 3 (red, green, blue), N ≥ 1.
        labels: int64 ``[N]``, indices into the class names.

    Raises:
        RegardError: a shape or a type is another.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
            raise RegardError(
                f"images are {images.dtype} {list(images.shape)}; expected uint8 [N, 1 or 3, H, W]"
            )
        if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
            raise RegardError(
                f"labels are {labels.dtype} {list(labels.shape)}; "
                f"expected int64 {list(images.shape[:1])}"
            )
        if images.size == 0:
            raise RegardError(f"images are empty: {list(images.shape)}")

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Split({len(self):,} images of {_size(self)})"

    def take(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Split:
        """The images that a mask ``[N]`` or an index selects, copied."""
        return Split(self.images[chosen], self.labels[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """The data of one image classification task.

    Args:
        train, test: what is trained on, and what the result is measured on.
        classes: the names, at least two, all different; a label is an index into them.
        name: how reports call the data.
        validation: for choices made before the test; None where there is none.
        notes: what was done to the data, one sentence each.
        fingerprint: sha256 over arrays, shapes and class names, computed where it is empty.
            It depends neither on the name, the notes nor the process.

    Raises:
        RegardError: the splits do not fit each other or the classes.
    """

    train: Split
    test: Split
    classes: tuple[str, ...]
    name: str
    validation: Split | None = None
    notes: tuple[str, ...] = ()
    fingerprint: str = ""

    def __post_init__(self) -> None:
        if len(set(self.classes)) != len(self.classes) or len(self.classes) < 2:
            names = [shown(name) for name in self.classes]
            raise RegardError(
                f"{shown(self.name)}: expected two or more different classes; found {names}"
            )
        for role, split in self.splits().items():
            _require_fit(f"{shown(self.name)}: {role}", split, self.train, len(self.classes))
        if not self.fingerprint:
            object.__setattr__(self, "fingerprint", _fingerprint(self.splits(), self.classes))

    def splits(self) -> dict[str, Split]:
        """Role → split, in the order train, test, validation; absent ones left out."""
        found = {"train": self.train, "test": self.test}
        return found if self.validation is None else {**found, "validation": self.validation}

    def mean_std(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel over train, in units of 0..1.

        Exact, from counts of the 256 values. A standard deviation below one grey level (1/255) is
        given as 1/255, so that dividing by it is safe.
        """
        counts = _counts(self.train.images)
        level = np.arange(256) / 255
        total = counts.sum(axis=1)
        mean = (counts * level).sum(axis=1) / total
        variance = (counts * (level - mean[:, None]) ** 2).sum(axis=1) / total
        std = np.maximum(np.sqrt(variance), 1 / 255)
        return tuple(mean.tolist()), tuple(std.tolist())

    def chance(self) -> float:
        """Share of the test images in the class that is most frequent in train."""
        commonest = np.bincount(self.train.labels).argmax()
        return float((self.test.labels == commonest).mean())

    def describe(self) -> str:
        """A few lines for a terminal: sizes, classes, chance level, notes."""
        sizes = ", ".join(f"{len(split):,} {role}" for role, split in self.splits().items())
        names = [shown(name) for name in self.classes]
        listed = ", ".join(names if len(names) <= 10 else [*names[:8], "…", names[-1]])
        return "\n".join(
            [
                f"{shown(self.name)}: {sizes}; images of {_size(self.train)}",
                f"{len(names)} classes: {listed}",
                f"always answering the commonest class is right {self.chance():.1%} of the time",
                *(f"- {shown(note)}" for note in self.notes),
            ]
        )

    def save(self, folder: str | Path) -> Path:
        """Write arrays (``.npy``) and one JSON file to a new folder, whole or not at all.

        Saving the same images there again does nothing but mend arrays that were cut short.

        Raises:
            RegardError: the folder holds something else, or cannot be written.
        """
        folder = Path(folder)
        header = {
            "name": self.name,
            "classes": list(self.classes),
            "notes": list(self.notes),
            "fingerprint": self.fingerprint,
            "splits": list(self.splits()),
        }
        arrays: dict[str, npt.NDArray[Any]] = {}
        for role, split in self.splits().items():
            arrays |= {f"{role}_images": split.images, f"{role}_labels": split.labels}
        write_arrays(folder, header, arrays)
        return folder

    @classmethod
    def load(cls, folder: str | Path, *, check: bool = True) -> Images:
        """Read what :meth:`save` wrote, memory-mapped.

        Args:
            folder: the folder given to :meth:`save`.
            check: compute the fingerprint again, which reads every byte once. Without it shapes
                and types are still checked.

        Raises:
            RegardError: the folder is missing, damaged, or another program's.
        """
        folder = Path(folder)
        try:
            images = _build(folder, read_header(folder))
            if check and images.fingerprint != _fingerprint(images.splits(), images.classes):
                raise RegardError("the arrays do not match the fingerprint")
        except (RegardError, KeyError, TypeError) as error:
            raise not_prepared(folder, str(error)) from error
        return images


def _build(folder: Path, header: Mapping[str, Any]) -> Images:
    fields = {key: _texts(header, key) for key in ("classes", "notes", "splits")}
    name, fingerprint = header["name"], header["fingerprint"]
    if not isinstance(name, str) or not isinstance(fingerprint, str) or not fingerprint:
        raise RegardError("name and fingerprint are not text")
    if fields["splits"] not in (ROLES[:2], ROLES):
        raise RegardError(f"splits are {fields['splits']}")
    found = {
        role: Split(read_array(folder, f"{role}_images"), read_array(folder, f"{role}_labels"))
        for role in fields["splits"]
    }
    return Images(
        **found,
        classes=fields["classes"],
        name=name,
        notes=fields["notes"],
        fingerprint=fingerprint,
    )


def _texts(header: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = header[key]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RegardError(f"{key} is no list of text")
    return tuple(value)


def _require_fit(what: str, split: Split, train: Split, classes: int) -> None:
    if split.images.shape[1:] != train.images.shape[1:]:
        raise RegardError(f"{what} has images of {_size(split)}, train of {_size(train)}")
    low, high = int(split.labels.min()), int(split.labels.max())
    if low < 0 or high >= classes:
        raise RegardError(f"{what} has labels {low} to {high}; expected 0 to {classes - 1}")


def _size(split: Split) -> str:
    channels, height, width = split.images.shape[1:]
    return f"{width}×{height} pixels in {'grey' if channels == 1 else 'colour'}"


def _counts(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    counts = np.zeros((images.shape[1], 256), np.int64)
    step = max(1, CHUNK // images[0, 0].size)
    for start in range(0, len(images), step):
        for channel in range(images.shape[1]):
            part = images[start : start + step, channel].ravel()
            counts[channel] += np.bincount(part, minlength=256)
    return counts


def _fingerprint(splits: Mapping[str, Split], classes: tuple[str, ...]) -> str:
    digest = hashlib.sha256(f"{len(classes)} classes".encode())
    for name in classes:
        text = name.encode("utf-8", "surrogatepass")
        digest.update(len(text).to_bytes(8, "little") + text)
    for role, split in splits.items():
        digest.update(f"{role} {split.images.shape}".encode())
        digest.update(np.ascontiguousarray(split.images).data)
        digest.update(np.ascontiguousarray(split.labels, dtype="<i8").data)
    return digest.hexdigest()
