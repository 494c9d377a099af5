"""Arrays as pictures inside the page: images, maps of numbers, the two on top of each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..errors import RegardError
from .colours import viridis
from .markup import Markup, element, join
from .pixels import Pixels, address_of, pixels_of, values_of, zoom_of
from .tables import show_number


def image(array: npt.ArrayLike, alt: str, zoom: float | None = None) -> Markup:
    """An image whose pixels stay square and sharp.

    Args:
        array: uint8 ``[H, W]`` (grey) or ``[H, W, 3]`` (RGB).
        alt: what is seen, for who does not see it.
        zoom: pixels of the screen for one of the image; default: the whole number that brings the
            longer side to about 192, at least 1.

    Raises:
        RegardError: another shape or type, or a zoom that is not positive.
    """
    return _picture(pixels_of(array, "image"), alt, zoom)


def heat(
    array: npt.ArrayLike,
    alt: str,
    low: float | None = None,
    high: float | None = None,
    zoom: float | None = None,
) -> Markup:
    """A map of numbers in the colours of viridis; NaN is transparent.

    Args:
        array: float ``[H, W]``.
        alt: what is seen; the range of the colours is added to it.
        low, high: values of the darkest and the brightest colour; default: the extremes. A constant
            map has the middle colour.
        zoom: as for ``image``.

    Raises:
        RegardError: another shape or type, nothing finite, or low > high.
    """
    values = values_of(array, "heat")
    least, greatest = _range(values, low, high)
    colours = viridis(_parts(values, least, greatest))
    alpha = np.where(np.isnan(values), 0, 255).astype(np.uint8)[..., None]
    opaque = not np.isnan(values).any()
    picture = colours if opaque else np.concatenate([colours, alpha], axis=-1)
    return _picture(picture, f"{alt} ({show_number(least)} to {show_number(greatest)})", zoom)


def overlay(
    under: npt.ArrayLike,
    over: npt.ArrayLike,
    alt: str,
    alpha: float = 0.5,
    zoom: float | None = None,
    *,
    low: float | None = None,
    high: float | None = None,
) -> Markup:
    """A map of numbers over an image, each of its cells as large as the part it stands for.

    Args:
        under: the image, uint8 ``[H, W]`` or ``[H, W, 3]``.
        over: float ``[h, w]`` of any size; where it is NaN the image stays as it is.
        alt: what is seen.
        alpha: weight of the map, 0 to 1.
        zoom: as for ``image``.
        low, high: as for ``heat``; the same for maps that are to be compared.

    Raises:
        RegardError: another shape or type, nothing finite, alpha outside [0, 1], or low > high.
    """
    if not 0 <= alpha <= 1:
        raise RegardError(f"overlay: alpha={alpha}; a number from 0 to 1 would work")
    base, values = _colour(pixels_of(under, "overlay")), values_of(over, "overlay")
    spread = _nearest(values, base.shape[0], base.shape[1])
    weight = np.where(np.isnan(spread), 0.0, alpha)[..., None]
    colours = viridis(_parts(spread, *_range(values, low, high)))
    mixed = (1 - weight) * base + weight * colours
    return _picture(mixed.round().astype(np.uint8), alt, zoom)


def colour_bar(low: float, high: float, label: str = "", *, beyond: bool = False) -> Markup:
    """The scale of a ``heat`` map: its colours from ``low`` to ``high``, with an optional label.

    The ends are written with three digits; ``beyond`` says that there are values above ``high``,
    which have its colour.
    """
    low, high = (float(f"{end:.3g}") for end in (low, high))
    ramp = viridis(np.linspace(0.0, 1.0, 64)[None])
    top = show_number(high) + (" or more" if beyond else "")
    ends = f"colours from {show_number(low)} to {top}"
    return element(
        "div",
        element("span", show_number(low)),
        element("img", src=address_of(ramp), alt=ends, class_="ramp"),
        element("span", top),
        element("span", label) if label else None,
        class_="colour-bar",
    )


def gallery(items: Sequence[tuple[Markup, str]], *, large: bool = False) -> Markup:
    """Captioned figures side by side, as many in a row as fit.

    Args:
        items: (picture, caption).
        large: three in a row, whatever the width.

    Raises:
        RegardError: no item.
    """
    if not items:
        raise RegardError("gallery: no items came; one (picture, caption) or more would work")
    figures = [element("figure", part, element("figcaption", text)) for part, text in items]
    return element("div", join(*figures), class_="gallery three" if large else "gallery")


def _colour(pixels: Pixels) -> Pixels:
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=-1)


def _nearest(values: npt.NDArray[np.float64], height: int, width: int) -> npt.NDArray[np.float64]:
    rows = np.arange(height) * values.shape[0] // height
    columns = np.arange(width) * values.shape[1] // width
    return np.asarray(values[rows][:, columns])


def _range(
    values: npt.NDArray[np.float64], low: float | None, high: float | None
) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    least = float(finite.min()) if low is None else low
    greatest = float(finite.max()) if high is None else high
    if not least <= greatest:
        raise RegardError(f"heat: colours from {least} to {greatest}; low below high would work")
    return least, greatest


def _parts(values: npt.NDArray[np.float64], low: float, high: float) -> npt.NDArray[np.float64]:
    """Values as parts of the range, in [0, 1]; NaN becomes 0, to be hidden by its alpha."""
    if low == high:
        return np.full(values.shape, 0.5)
    return np.asarray(np.nan_to_num(np.interp(values, (low, high), (0.0, 1.0))))


def _picture(pixels: Pixels, alt: str, zoom: float | None) -> Markup:
    height, width = pixels.shape[:2]
    factor = zoom_of(zoom, width, height)
    return element(
        "img",
        src=address_of(pixels),
        alt=alt,
        width=max(1, round(width * factor)),
        height=max(1, round(height * factor)),
        class_="pixels",
    )
