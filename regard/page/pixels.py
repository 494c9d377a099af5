"""What may become a picture, and how it gets into the page."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
import numpy.typing as npt

from ..errors import RegardError

Pixels = npt.NDArray[np.uint8]
_COMFORTABLE = 192  # pixels of the screen for the longer side of a small image


def pixels_of(array: npt.ArrayLike, asked: str) -> Pixels:
    """uint8 ``[H, W]`` or ``[H, W, 3]`` as it came; ``asked`` names who refuses anything else."""
    pixels = np.asarray(array)
    coloured = pixels.ndim == 3 and pixels.shape[2] == 3
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or coloured) or pixels.size == 0:
        raise RegardError(
            f"{asked}: an array of {pixels.dtype} {[*pixels.shape]} came; "
            "uint8 [H, W] or [H, W, 3] would work"
        )
    return pixels


def upright(image: Pixels) -> Pixels:
    """uint8 ``[1, H, W]`` or ``[3, H, W]``, as networks take it, in the form of ``pixels_of``."""
    return np.ascontiguousarray(image[0] if len(image) == 1 else np.moveaxis(image, 0, -1))


def values_of(array: npt.ArrayLike, asked: str) -> npt.NDArray[np.float64]:
    """Floats ``[H, W]`` with something finite; ``asked`` names who refuses anything else."""
    values = np.asarray(array)
    if values.dtype.kind != "f" or values.ndim != 2 or not np.isfinite(values).any():
        raise RegardError(
            f"{asked}: an array of {values.dtype} {[*values.shape]} came; "
            "floats [H, W], some of them finite, would work"
        )
    return values.astype(np.float64)


def zoom_of(zoom: float | None, width: int, height: int) -> float:
    """Pixels of the screen for one of the image; None brings the longer side to about 192."""
    if zoom is None:
        return max(1, round(_COMFORTABLE / max(width, height)))
    if not 0 < zoom < math.inf:
        raise RegardError(f"zoom={zoom}; a positive number would work")
    return zoom


def address_of(pixels: Pixels) -> str:
    """The pixels ``[H, W]``, ``[H, W, 3]`` or ``[H, W, 4]`` as a PNG in a ``data:`` address."""
    return "data:image/png;base64," + base64.b64encode(png_of(pixels)).decode("ascii")


def png_of(pixels: Pixels) -> bytes:
    """The pixels ``[H, W]``, ``[H, W, 3]`` or ``[H, W, 4]`` as a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return file.getvalue()
