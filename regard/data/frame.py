"""The one shape that all images of a set get."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low

import numpy as np
from PIL import Image

from ..errors import RegardError
from .images import Split
from .picture import Picture, fit

LARGEST_GUESS = 224


@dataclass(frozen=True, slots=True)
class Frame:
    """Channels (1 or 3), width and height in pixels."""

    channels: int
    width: int
    height: int


def choose_frame(pictures: Sequence[Picture], size: int | None) -> tuple[Frame, list[str]]:
    """The shape for pictures that may differ, and what was decided, in words.

    Grey where all are grey, else colour. A ``size`` is the side of a square. Without one, pictures
    of one size keep it, square or not; others get a square of the median of their shorter sides,
    224 at most.
    """
    grey = sum(picture.grey for picture in pictures)
    channels = 1 if grey == len(pictures) else 3
    notes = [f"{grey:,} of {len(pictures):,} images are grey and were turned to colour"]
    notes = notes if channels == 3 and grey else []
    sizes = {(picture.width, picture.height) for picture in pictures}
    if size is None and len(sizes) == 1:
        return Frame(channels, *sizes.pop()), notes
    middle = median_low(min(picture.width, picture.height) for picture in pictures)
    side = size or min(middle, LARGEST_GUESS)
    if sizes != {(side, side)}:
        notes.append(resized(side, sizes))
    if size is None:
        notes.append(f"{side} is the median of the shorter sides, {LARGEST_GUESS} at most")
    return Frame(channels, side, side), notes


def resized(side: int, sizes: set[tuple[int, int]]) -> str:
    """The note on a resize to ``side`` from these widths and heights."""
    ordered = sorted(sizes, key=lambda pair: (pair[0] * pair[1], pair))
    least, most = (f"{w}×{h}" for w, h in (ordered[0], ordered[-1]))
    source = least if len(sizes) == 1 else f"{len(sizes)} sizes, {least} to {most}"
    stretch = "" if all(w == h for w, h in sizes) else "; the aspect ratio is not kept"
    return f"resized to {side}×{side} from {source} (antialiased bilinear{stretch})"


def resize(split: Split, side: int) -> Split:
    """The images ``[N, C, side, side]``, resized as files are."""
    images = np.empty((*split.images.shape[:2], side, side), np.uint8)
    for image, out in zip(split.images, images, strict=True):
        pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
        out[:] = fit(Image.fromarray(np.ascontiguousarray(pixels)), side, side)
    return Split(images, split.labels)


def require_memory(count: int, frame: Frame) -> None:
    """Refuse a set that cannot fit.

    Raises:
        RegardError: ``count`` images of this shape take more than the machine's memory.
    """
    needed, there = count * frame.channels * frame.width * frame.height, _memory()
    if there is not None and needed > there:
        raise RegardError(
            f"{count:,} images of {frame.width}×{frame.height} pixels take {needed / 1e9:,.0f} GB, "
            f"this machine has {there / 1e9:,.0f} GB; choose a smaller size, such as 224 "
            "(--size 224, in Python size=224)"
        )


def _memory() -> int | None:
    """Bytes of memory of this machine, None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
