"""The front door: a word or a folder in, images out."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import get_args

from ..errors import RegardError, nearest
from .findings import OnBad
from .folder import read_folder
from .frame import resize, resized
from .handwritten import LEAST_CANVAS, digit_sources, digits
from .idx_folder import find_idx, read_idx_folder
from .images import Images, Split
from .splits import Parts, complete
from .tree import list_folder, shown, shown_some, text_name

WORDS = ("digits", "translation", "dates", "tagging", "classification")
"""What is embedded, text too: a misspelt word is no folder."""
FORMS = (
    "what works: the word digits; a folder with one sub-folder of images for each class, or with "
    "train/ and test/ of such;\n"
    "a folder of IDX files such as train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz"
)


def load_images(
    source: str | Path,
    *,
    size: int | None = None,
    seed: int = 0,
    validation: float = 0.0,
    on_bad: OnBad = "error",
) -> Images:
    """Load the images of a classification task.

    Args:
        source: the word ``digits`` (the embedded default, see :func:`digits`; write ``./digits``
            for a folder of that name) or a folder. A folder holds class folders; or train, test
            and val (valid, validation) with class folders; or IDX files as of MNIST. Its content
            tells which.
        size: side in pixels of square images. None: digits have 32; IDX files, and folders whose
            images are all of one size, keep theirs; other folders get the median of the shorter
            sides, 224 at most. For digits the canvas is drawn at this size.
        seed: decides which images are split off for test, where there is no test part, and for
            validation. Keep it fixed while training seeds vary.
        validation: share of each class of train for validation. For digits it shares no
            handwritten digit with train.
        on_bad: a file in a class folder that gives no image is an ``error``, or is left out and
            noted with ``skip``.

    Returns:
        The images; ``notes`` say what was done.

    Raises:
        RegardError: the source is unknown, damaged, or no classification task.
    """
    _require_options(size, seed, validation, on_bad)
    if source == "digits":
        return _load_digits(size, seed, validation)
    folder = Path(os.path.expanduser(source))
    parts = _read(folder, size, on_bad)
    name = text_name(folder.resolve()) or str(folder)
    return complete(parts, name, seed=seed, validation=validation)


def _require_options(size: int | None, seed: int, validation: float, on_bad: str) -> None:
    for sound, what, expected in (
        (size is None or size >= 1, f"size is {size}", "a side of 1 pixel or more"),
        (seed >= 0, f"seed is {seed}", "0 or more"),
        (0 <= validation < 1, f"validation is {validation}", "a share from 0 to below 1"),
        (on_bad in get_args(OnBad), f"on_bad is {on_bad!r}", "'error' or 'skip'"),
    ):
        if not sound:
            raise RegardError(f"{what}; expected {expected}")


def _load_digits(size: int | None, seed: int, validation: float) -> Images:
    if size is not None and size < LEAST_CANVAS:
        raise RegardError(
            f"size is {size}; the embedded digits need {LEAST_CANVAS} pixels or more, 32 is usual"
        )
    made = digits() if size is None else digits(canvas=size)
    parts = Parts(made.train, made.test, None, made.classes, made.notes)
    groups, _ = digit_sources(len(made.train), len(made.test))
    return complete(parts, made.name, seed=seed, validation=validation, groups=groups)


def _read(folder: Path, size: int | None, on_bad: OnBad) -> Parts:
    if not os.path.exists(folder):
        plain = "; the embedded images are asked for by digits alone, without a path"
        near = plain if folder.name == "digits" else nearest(str(folder), WORDS)
        raise RegardError(f"no folder {shown(folder)}{near}\n{FORMS}")
    if not os.path.isdir(folder):
        raise RegardError(f"{shown(folder)} is a file\n{FORMS}")
    idx = find_idx(folder)
    if idx:
        return _resized(read_idx_folder(idx), size)
    listing = list_folder(folder)
    if listing.folders:
        return read_folder(folder, size=size, on_bad=on_bad)
    names = [path.name for path in (*listing.files, *listing.ignored)]
    raise RegardError(
        f"{shown(folder)} is no data of a known form: found {shown_some(names) or 'nothing'}\n"
        f"{FORMS}"
    )


def _resized(parts: Parts, side: int | None) -> Parts:
    height, width = parts.train.images.shape[2:]
    if side is None or (height, width) == (side, side):
        return parts

    def fitted(split: Split | None) -> Split | None:
        return None if split is None else resize(split, side)

    notes = (*parts.notes, resized(side, {(width, height)}))
    return replace(parts, train=resize(parts.train, side), test=fitted(parts.test), notes=notes)
