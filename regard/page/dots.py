"""An image with points on it, such as those that a deformable attention samples."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy.typing as npt

from ..errors import RegardError
from .markup import Markup, element
from .outlines import over_image
from .pixels import pixels_of, zoom_of


def points(
    array: npt.ArrayLike,
    places: Sequence[tuple[float, float]],
    alt: str,
    zoom: float | None = None,
) -> Markup:
    """An image and points on it; those outside of the image are not drawn, but counted in ``alt``.

    Args:
        array: uint8 ``[H, W]`` or ``[H, W, 3]``.
        places: (x, y) in pixels from the upper left corner; the centre of the first pixel is
            (0.5, 0.5). Some hundreds are plenty.
        alt: what is seen.
        zoom: as for ``image``.

    Raises:
        RegardError: another shape or type, or no point.
    """
    pixels = pixels_of(array, "points")
    height, width = pixels.shape[:2]
    if not places:
        raise RegardError("points: none came; one (x, y) or more would work")
    inside = [
        (x, y)
        for x, y in places
        if math.isfinite(x) and math.isfinite(y) and 0 <= x <= width and 0 <= y <= height
    ]
    factor = zoom_of(zoom, width, height)
    marks = [
        element("circle", cx=float(x), cy=float(y), r=2.5 / factor, class_="first")
        for x, y in inside
    ]
    outside = len(places) - len(inside)
    told = f"{alt}; {outside} of {len(places)} points lie outside" if outside else alt
    return over_image(pixels, marks, (0, 0, width, height), factor, told)
