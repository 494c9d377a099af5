"""A picture from a file: as it is, and as the shipped network sees it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...data.picture import BadImage, decode, read_picture
from ...data.tree import shown
from ...errors import RegardError
from .network import SIDE

SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".avif", ".ppm", ".pgm",
    ".pbm", ".jp2",
)  # fmt: skip
_LARGE = 320  # pixels of the longer side of the picture as it is shown
_BORDER = 2  # pixels that tell a bright background

Pixels = npt.NDArray[np.uint8]


def is_picture(what: str | os.PathLike[str]) -> bool:
    """Whether this names an image file; all else is a text.

    A path object always does; a string does if it ends as image files do, and either is there or
    holds no spaces between words.
    """
    if not isinstance(what, str):
        return True
    if not what.lower().endswith(SUFFIXES) or "\n" in what:
        return False
    return len(what.split()) == 1 or Path(what).expanduser().exists()


def read_large(path: Path) -> Pixels:
    """The picture as it is, upright, in colour, small enough for a page: uint8 ``[3, H, W]``.

    Raises:
        RegardError: no file, or one that gives no image.
    """
    if not path.exists():
        raise RegardError(f"{shown(path)} is not there; an image file such as photo.jpg would work")
    with plain_reason():
        found = read_picture(path)
        factor = min(1.0, _LARGE / max(found.width, found.height))
        sides = (max(1, round(factor * side)) for side in (found.width, found.height))
        width, height = sides
        return decode(path, channels=3, width=width, height=height)


def read_small(path: Path) -> tuple[Tensor, bool]:
    """The picture as the shipped network takes it, ``[1, 1, 32, 32]`` from 0 to 1.

    Fashion-MNIST shows bright things on black. So a picture with a bright border is turned into its
    negative; whether it was comes too.

    Raises:
        RegardError: for a file that gives no image.
    """
    with plain_reason():
        pixels = decode(path, channels=1, width=SIDE, height=SIDE)
    border = pixels[0].astype(float)
    border[_BORDER:-_BORDER, _BORDER:-_BORDER] = np.nan
    negative = bool(np.nanmean(border) > 127)
    x = torch.from_numpy(pixels.copy())[None].float() / 255
    return (1 - x if negative else x), negative


@contextmanager
def plain_reason() -> Iterator[None]:
    """One picture is asked for here, so advice on leaving files out of many is left out."""
    try:
        yield
    except BadImage as error:
        raise RegardError(
            f"{shown(error.path)} gives no image: {error.reason}; another would work"
        ) from None
