"""One image file: what its header says, and its pixels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ..errors import RegardError
from .tree import shown

# Not every format Pillow knows: EPS would hand the file to another program, TGA has no signature.
FORMATS = ("JPEG", "MPO", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "PPM", "JPEG2000")
GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"})


class BadImage(RegardError):
    """A file that gives no image. ``reason`` is for people, without the file's name."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, shown(reason)
        super().__init__(
            f"{shown(path)} gives no image: {self.reason}; "
            'remove it, or pass on_bad="skip" (--skip-bad) to leave such files out'
        )


@dataclass(frozen=True, slots=True)
class Picture:
    """What the header of an image file says.

    Args:
        path: the file.
        width, height: in pixels, upright (the camera's EXIF orientation applied).
        grey: the file has one colour channel, or a palette of greys.
    """

    path: Path
    width: int
    height: int
    grey: bool


def read_picture(path: Path) -> Picture:
    """The size and kind of an image file.

    Raises:
        BadImage: no image, damaged, or past Pillow's guard against decompression bombs.
        RegardError: the file may not be read.
    """
    with _opened(path) as image:
        width, height = _upright_size(image)
        return Picture(path, width, height, grey=_is_grey(image))


def decode(path: Path, *, channels: int, width: int, height: int) -> npt.NDArray[np.uint8]:
    """The pixels of an image file, uint8 ``[channels, height, width]``.

    Upright by its EXIF orientation; transparency on white; 16 bits scaled to 8; CMYK, palettes and
    others as Pillow converts them; the first frame of an animation. Another size is resized with
    Pillow's antialiased bilinear filter, without keeping the aspect ratio.

    Raises:
        BadImage, RegardError: as :func:`read_picture`, and for a file that is cut short.
    """
    with _opened(path) as image:
        upright = _eight_bits(ImageOps.exif_transpose(image))
        return fit(_flatten(upright, "L" if channels == 1 else "RGB"), width, height)


def fit(image: Image.Image, width: int, height: int) -> npt.NDArray[np.uint8]:
    """An ``L`` or ``RGB`` image as uint8 ``[C, height, width]``, resized where it must be."""
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The file as an image, with every way to fail turned into one of two errors.

    It is opened by handle: by name, Pillow maps an uncompressed TIFF and turns it the wrong way.
    Of Pillow's warnings, which name no file, only the one on size is kept, as an error.
    """
    Image.init()
    formats = [name for name in FORMATS if name in Image.OPEN]
    try:
        if not path.is_file():
            raise OSError("no regular file, or a broken link")
        with path.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(stream, formats=formats) as image:
                yield image
    except PermissionError as error:
        raise RegardError(f"{shown(path)} may not be read: {error.strerror}") from error
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise a dozen kinds on damaged files
        raise BadImage(path, _reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more pixels than Pillow's guard against decompression bombs allows ({error})"
    if isinstance(error, UnidentifiedImageError):
        return "its content is no image of a known format"
    return str(error) or type(error).__name__


def _upright_size(image: Image.Image) -> tuple[int, int]:
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    if image.format == "TIFF" and orientation != 1:
        image.load()  # here Pillow turns the image itself
        return image.size
    return image.size[::-1] if orientation in (5, 6, 7, 8) else image.size


def _is_grey(image: Image.Image) -> bool:
    if image.mode != "P":
        return image.mode in GREY_MODES
    palette = np.array(image.getpalette("RGB") or [0, 0, 1]).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ValueError("floating point pixels have no known range; write it with 8 or 16 bits")
    if not image.mode.startswith("I"):
        return image
    levels = np.asarray(image).astype(np.int64)
    if levels.min() < 0 or levels.max() > 65535:
        raise ValueError("its 32-bit values do not fit in 16 bits; write it with 8 or 16 bits")
    return Image.fromarray(((levels * 255 + 32767) // 65535).astype(np.uint8))


def _flatten(image: Image.Image, mode: str) -> Image.Image:
    if image.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert(mode)
