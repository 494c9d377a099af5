"""One look for one label: a colour, a marker and a dash, the same in every chart of a page.

The colours are those of Okabe and Ito (2008, "Color Universal Design"), told apart with every usual
kind of colour vision. They stand in ``style.css`` as the classes c1 … c7; c0 is grey.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import RegardError, nearest
from .markup import Markup, element

PLAIN = "none"  # the label of the network without attention
_COLOURS = 7
_MARKERS = (
    "M0 -1A1 1 0 1 1 0 1A1 1 0 1 1 0 -1Z",
    "M-.9 -.9H.9V.9H-.9Z",
    "M0 -1.2L1.1 .8H-1.1Z",
    "M0 -1.3L1.1 0L0 1.3L-1.1 0Z",
    "M0 1.2L1.1 -.8H-1.1Z",
    "M-.4 -1.1H.4V-.4H1.1V.4H.4V1.1H-.4V.4H-1.1V-.4H-.4Z",
    "M0 -1.2L1.15 -.35L.7 1H-.7L-1.15 -.35Z",
)
_DASHES = (None, "7 3", "2 3", "9 3 2 3", "12 4", "5 2 1 2 1 2", "3 2")


@dataclass(frozen=True, slots=True)
class Look:
    """How one label is drawn.

    Args:
        colour: a class of the style sheet, which sets ``color``.
        marker: path of its mark, about one unit in radius around (0, 0).
        dash: value of ``stroke-dasharray``; None for a full line.
    """

    colour: str
    marker: str
    dash: str | None

    def mark(self, x: float, y: float, radius: float = 5.0, title: str | None = None) -> Markup:
        """The marker at a place of an SVG, in pixels, with an optional tooltip."""
        return element(
            "path",
            None if title is None else element("title", title),
            class_=f"mark {self.colour}",
            d=self.marker,
            transform=f"translate({x:.2f} {y:.2f}) scale({radius:g})",
        )


class Palette:
    """Labels → looks, in the order given. Make one for a page and hand it to all its charts.

    49 labels look different in colour or marker; ``none`` is grey and counts for nothing.

    Args:
        labels: in a fixed order; a label that comes twice counts once.
    """

    def __init__(self, labels: Iterable[str]) -> None:
        coloured = dict.fromkeys(str(label) for label in labels)
        coloured.pop(PLAIN, None)
        self._looks = {label: _look(index) for index, label in enumerate(coloured)}
        self._looks[PLAIN] = Look("c0", _MARKERS[0], None)

    def __getitem__(self, label: str) -> Look:
        look = self._looks.get(label)
        if look is None:
            known = nearest(label, self._looks)
            raise RegardError(f"the palette of this page has no label {label!r}{known}")
        return look


def _look(index: int) -> Look:
    colour, turn = index % _COLOURS, index // _COLOURS
    shape = (colour + turn) % len(_MARKERS)
    return Look(f"c{colour + 1}", _MARKERS[shape], _DASHES[shape])
