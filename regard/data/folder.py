"""Images in class folders."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import RegardError
from .class_folders import find_classes
from .findings import Findings, OnBad
from .frame import Frame, choose_frame, require_memory
from .images import Split
from .picture import Picture, decode, read_picture
from .splits import Parts
from .tree import list_folder, shown, shown_some

Labelled = tuple[Picture, int]


def read_folder(folder: Path, *, size: int | None, on_bad: OnBad) -> Parts:
    """Read images whose class is the name of the folder they lie in.

    Headers are read first, to choose one shape for all, then each image is decoded once.

    Args:
        folder: holds class folders; or ``train`` and maybe ``test`` and ``val``, ``valid`` or
            ``validation``, each with the same class folders. Classes are sorted by name.
        size: side in pixels that all images are resized to; None: see ``choose_frame``.
        on_bad: a file that gives no image is an ``error``, or ``skip``.

    Raises:
        RegardError: as ``find_classes``; a class without images, a folder within a class folder,
            a file that gives no image, more than fits in memory.
    """
    findings = Findings(on_bad)
    classes = find_classes(folder, findings)
    pictures = {
        role: _read_headers(list(folders.values()), findings) for role, folders in classes.items()
    }
    everything = [picture for part in pictures.values() for picture, _ in part]
    frame, notes = choose_frame(everything, size)
    require_memory(len(everything), frame)
    splits = {
        role: _decode(part, frame, list(classes[role].values()), findings)
        for role, part in pictures.items()
    }
    return Parts(
        splits["train"],
        splits.get("test"),
        splits.get("validation"),
        tuple(classes["train"]),
        (*findings.notes(), *notes),
    )


def _read_headers(folders: Sequence[Path], findings: Findings) -> list[Labelled]:
    """The pictures of one split; a folder's place in the list is its label."""
    found: list[Labelled] = []
    for label, folder in enumerate(folders):
        listing = list_folder(folder)
        if listing.folders:
            raise RegardError(
                f"{shown(folder)}: expected images only, found folders such as "
                f"{shown_some([path.name for path in listing.folders])}"
            )
        findings.hidden += [path.name for path in listing.ignored]
        found += [(picture, label) for _, picture in findings.sift(listing.files, read_picture)]
    _require_images(found, folders)
    return found


def _decode(
    pictures: Sequence[Labelled], frame: Frame, folders: Sequence[Path], findings: Findings
) -> Split:
    images = np.empty((len(pictures), frame.channels, frame.height, frame.width), np.uint8)
    kept: list[Labelled] = []
    read = partial(_decode_one, frame)
    for labelled, pixels in findings.sift(pictures, read):
        images[len(kept)] = pixels
        kept.append(labelled)
    _require_images(kept, folders)
    return Split(images[: len(kept)], np.array([label for _, label in kept], np.int64))


def _decode_one(frame: Frame, labelled: Labelled) -> np.ndarray:
    return decode(labelled[0].path, channels=frame.channels, width=frame.width, height=frame.height)


def _require_images(pictures: Sequence[Labelled], folders: Sequence[Path]) -> None:
    missing = sorted(set(range(len(folders))) - {label for _, label in pictures})
    if missing:
        raise RegardError(
            f"{shown(folders[missing[0]])} holds no image; a class needs one at least: "
            "add images or remove the folder"
        )
