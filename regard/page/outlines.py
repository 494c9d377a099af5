"""An image with a polygon drawn over it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy.typing as npt

from ..errors import RegardError
from .markup import Markup, element
from .pixels import Pixels, address_of, pixels_of, zoom_of

_ROOM = 1.0  # how far around the image the polygon is followed, in image sizes


def outline(
    array: npt.ArrayLike,
    polygon: Sequence[tuple[float, float]],
    alt: str,
    zoom: float | None = None,
) -> Markup:
    """An image and a polygon over it, such as the region that a Spatial Transformer samples.

    The polygon may leave the image; the picture grows with it, up to one image size on each side. A
    dot marks its first corner, so that a turned or mirrored region can be told.

    Args:
        array: uint8 ``[H, W]`` or ``[H, W, 3]``.
        polygon: corners (x, y) in pixels from the upper left corner of the image; the centre of its
            first pixel is (0.5, 0.5).
        alt: what is seen.
        zoom: as for ``image``.

    Raises:
        RegardError: another shape or type, fewer than three corners, or one that is not finite.
    """
    pixels = pixels_of(array, "outline")
    height, width = pixels.shape[:2]
    corners = [(float(x), float(y)) for x, y in polygon]
    if len(corners) < 3 or not all(math.isfinite(x) and math.isfinite(y) for x, y in corners):
        raise RegardError(f"outline: polygon {corners}; three or more finite corners would work")
    left, right = _reach([x for x, _ in corners], width)
    top, bottom = _reach([y for _, y in corners], height)
    factor = zoom_of(zoom, width, height)
    frame = element("rect", width=width, height=height, class_="frame")
    shapes = [frame, *_polygon(corners, 5 / factor)]
    return over_image(pixels, shapes, (left, top, right - left, bottom - top), factor, alt)


def over_image(
    pixels: Pixels,
    shapes: Sequence[Markup],
    box: tuple[float, float, float, float],
    factor: float,
    alt: str,
) -> Markup:
    """Shapes drawn over an image, of which the picture shows a box: left, top, width, height."""
    height, width = pixels.shape[:2]
    return element(
        "svg",
        element("image", href=address_of(pixels), width=width, height=height, class_="pixels"),
        *shapes,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=" ".join(f"{side:g}" for side in box),
        width=float(box[2] * factor),
        height=float(box[3] * factor),
        class_="outline",
        role="img",
        aria_label=alt,
    )


def _polygon(corners: Sequence[tuple[float, float]], radius: float) -> list[Markup]:
    """Twice, white under coloured, so that it is seen on any image."""
    places = " ".join(f"{x:.2f},{y:.2f}" for x, y in corners)
    x, y = corners[0]
    return [
        element("polygon", points=places, class_="under"),
        element("polygon", points=places, class_="over"),
        element("circle", cx=x, cy=y, r=radius, class_="first"),
    ]


def _reach(places: Sequence[float], size: int) -> tuple[float, float]:
    margin = 0.04 * size
    least, greatest = max(-_ROOM * size, min(places)), min((1 + _ROOM) * size, max(places))
    return min(0.0, least) - margin, max(float(size), greatest) + margin
