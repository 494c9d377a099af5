"""The pieces of a chart: the sheet, lines, text, and the two axes."""

from __future__ import annotations

from .lettering import SIZE, Box
from .markup import Markup, element
from .scale import Axis

WIDE, NARROW = 720, 340  # pixels; every chart is drawn for a screen and for a phone


def sheet(width: int, height: float, label: str, *children: Markup | None) -> Markup:
    """An SVG that a screen reader takes as one picture called ``label``."""
    return element(
        "svg",
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height:g}",
        width=width,
        height=height,
        class_="wide" if width == WIDE else "narrow",
        role="img",
        aria_label=label,
    )


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line from (x1, y1) to (x2, y2)."""
    return element("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=class_)


def rectangle(box: Box, class_: str, title: str | None = None) -> Markup:
    """A filled rectangle with an optional tooltip."""
    return element(
        "rect",
        None if title is None else element("title", title),
        x=float(box.left),
        y=float(box.top),
        width=float(max(0.0, box.right - box.left)),
        height=float(max(0.0, box.bottom - box.top)),
        class_=class_,
    )


def text(x: float, y: float, content: str, anchor: str = "start", class_: str = "") -> Markup:
    """One line of text; ``y`` is the middle of its letters, ``anchor`` start, middle or end."""
    return element(
        "text",
        content,
        x=float(x),
        y=float(y + 0.35 * SIZE),
        text_anchor=None if anchor == "start" else anchor,
        class_=class_ or None,
    )


def x_axis(axis: Axis, frame: Box, title: str) -> Markup:
    """Grid lines and numbers along the bottom of ``frame``, the title under them.

    It takes 40 pixels below the frame.
    """
    parts = []
    for tick, label in zip(axis.ticks, axis.labels(), strict=True):
        x = axis(tick)
        parts += [
            line(x, frame.top, x, frame.bottom, "grid"),
            text(x, frame.bottom + 13, label, "middle"),
        ]
    middle = (frame.left + frame.right) / 2
    if title:
        parts.append(text(middle, frame.bottom + 32, title, "middle"))
    return element("g", *parts, class_="axis")


def y_axis(axis: Axis, frame: Box, title: str) -> Markup:
    """Grid lines and numbers along the left of ``frame``, the title above them, read across."""
    parts = []
    for tick, label in zip(axis.ticks, axis.labels(), strict=True):
        y = axis(tick)
        parts += [
            line(frame.left, y, frame.right, y, "grid"),
            text(frame.left - 7, y, label, "end"),
        ]
    if title:
        parts.append(text(0, frame.top - 18, title))
    return element("g", *parts, class_="axis")
