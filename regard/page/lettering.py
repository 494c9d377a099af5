"""Text in a drawing: how wide it is, how it is cut, and where it fits beside its point."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

SIZE = 12.5  # pixels; the font size of every chart, as in style.css
_NARROW = frozenset("ijl.,:;|!'()[]ftr ")
_RADII = (9.0, 18.0, 30.0, 44.0)


class Box(NamedTuple):
    """A rectangle in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def crosses(self, other: Box) -> bool:
        """Whether the two share more than an edge."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def inside(self, other: Box) -> bool:
        """Whether it lies within the other."""
        across = self.left >= other.left and self.right <= other.right
        return across and self.top >= other.top and self.bottom <= other.bottom


def capital(words: str) -> str:
    """As at the beginning of a sentence."""
    return f"{words[:1].upper()}{words[1:]}"


def text_width(text: str) -> float:
    """About how many pixels the text takes in the font of the charts; rather too many."""
    return SIZE * sum(_em(letter) for letter in text)


def shorten(text: str, width: float) -> str:
    """The text, or its beginning and an ellipsis so that it takes at most ``width`` pixels."""
    if text_width(text) <= width:
        return text
    kept = text
    while kept and text_width(kept + "…") > width:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def place_labels(
    labels: Sequence[str],
    points: Sequence[tuple[float, float]],
    frame: Box,
    obstacles: Sequence[Box] = (),
) -> list[Box | None]:
    """A box for each label beside its point, crossing no other box, point or obstacle.

    Each label in turn takes the first free one of eight directions, near before far. None where
    all are taken: such a label belongs in a legend.

    Args:
        labels: the texts.
        points: their points in pixels, in the same order.
        frame: no box leaves it.
        obstacles: what else must stay visible.
    """
    taken = [*obstacles, *(Box(x - 6, y - 6, x + 6, y + 6) for x, y in points)]
    boxes: list[Box | None] = []
    for label, (x, y) in zip(labels, points, strict=True):
        free = (
            box
            for box in _candidates(text_width(label), x, y)
            if box.inside(frame) and not any(box.crosses(other) for other in taken)
        )
        found = next(free, None)
        boxes.append(found)
        if found is not None:
            taken.append(found)
    return boxes


def _candidates(width: float, x: float, y: float) -> list[Box]:
    boxes = []
    for radius in _RADII:
        near = radius * 0.7
        middle, above, below = y - SIZE / 2, y - radius - SIZE, y + radius
        right, left, centre = x + radius, x - radius - width, x - width / 2
        corners = [(x + near, above), (x + near, below), (x - near - width, above)]
        sides = [(right, middle), (centre, above), (centre, below), (left, middle)]
        places = [*sides, *corners, (x - near - width, below)]
        boxes += [Box(a, b, a + width, b + SIZE + 2) for a, b in places]
    return boxes


def _em(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.0
    if unicodedata.combining(letter):
        return 0.0
    if letter in _NARROW:
        return 0.4
    return 0.95 if letter in "mwMW" else 0.72 if letter.isupper() else 0.63
