"""A scatter plot of named points, such as accuracy against cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import RegardError
from .drawing import NARROW, WIDE, line, sheet, text, x_axis, y_axis
from .figure import figure, legend
from .lettering import Box, place_labels, text_width
from .markup import Markup, element
from .palette import Palette
from .scale import Axis, linear_axis, log_axis
from .tables import show_number, table


class Point(NamedTuple):
    """A named point with an optional interval in y; NaN is "not known"."""

    label: str
    x: float
    y: float
    y_low: float = math.nan
    y_high: float = math.nan

    @property
    def drawn(self) -> bool:
        """Whether it has a place."""
        return math.isfinite(self.x) and math.isfinite(self.y)


@dataclass(frozen=True, slots=True)
class _Scatter:
    points: tuple[Point, ...]
    x_label: str
    y_label: str
    x_log: bool
    palette: Palette
    label: str


class _Drawing(NamedTuple):
    svg: Markup
    complete: bool  # every label found room


def scatter(
    points: Sequence[tuple[str, float, float, float, float]],
    x_label: str,
    y_label: str,
    *,
    caption: str,
    x_log: bool = False,
    palette: Palette | None = None,
) -> Markup:
    """Points with their names beside them; where a name finds no room, a legend has them all.

    Args:
        points: (label, x, y, y_low, y_high); ``Point`` names them and lets the last two out. A
            point whose x or y is not finite stands in the table only.
        x_label, y_label: what the axes measure, with units.
        caption: what the chart shows.
        x_log: equal distances in x are equal ratios.
        palette: of the page; default: one of its own.

    Raises:
        RegardError: no point, a point of another length, y_low > y_high, or x ≤ 0 with ``x_log``.
    """
    checked = tuple(_checked(point, x_log) for point in points)
    if not checked:
        raise RegardError("scatter: no points came; one (label, x, y, y_low, y_high) works")
    looks = palette or Palette(point.label for point in checked)
    plot = _Scatter(checked, x_label, y_label, x_log, looks, f"Scatter plot: {caption}")
    header = ("name", x_label, y_label, "low", "high")
    wide, narrow = _draw(plot, WIDE), _draw(plot, NARROW)
    names = [point.label for point in checked if point.drawn]
    only = "narrow" if wide.complete else ""
    return figure(
        lambda width: (wide if width == WIDE else narrow).svg,
        caption,
        table(header, checked, caption, numeric=header[1:]),
        None if narrow.complete and wide.complete else legend(names, looks, only=only),
    )


def _checked(point: tuple[str, float, float, float, float], x_log: bool) -> Point:
    if len(point) != len(Point._fields):
        raise RegardError(f"scatter: {point!r}; (label, x, y, y_low, y_high) would work")
    label, x, y, low, high = point
    if low > high:
        raise RegardError(f"scatter: {label!r} has y_low {low} above y_high {high}")
    if x_log and x <= 0:
        raise RegardError(f"scatter: {label!r} has x = {x}; x_log=False, or leaving it out, works")
    return Point(str(label), float(x), float(y), float(low), float(high))


def _draw(plot: _Scatter, width: int) -> _Drawing:
    height = 400 if width == WIDE else 340
    points = [point for point in plot.points if point.drawn]
    up = linear_axis([v for p in points for v in p[2:5]], height - 44, 30, spacing=44)
    left = 12 + max(text_width(label) for label in up.labels())
    frame = Box(left, 30, width - 14, height - 44)
    make = log_axis if plot.x_log else linear_axis
    across = make([point.x for point in points], frame.left, frame.right)
    places = [(across(point.x), up(point.y)) for point in points]
    bars = [_bar(point, across, up, frame) for point in points]
    boxes = place_labels([p.label for p in points], places, frame, [bar for bar in bars if bar])
    marks = [
        _mark(plot, point, place, bar)
        for point, place, bar in zip(points, places, bars, strict=True)
    ]
    names = [
        _name(point.label, box, place)
        for point, box, place in zip(points, boxes, places, strict=True)
        if box
    ]
    axes = (x_axis(across, frame, plot.x_label), y_axis(up, frame, plot.y_label))
    return _Drawing(sheet(width, height, plot.label, *axes, *marks, *names), None not in boxes)


def _bar(point: Point, across: Axis, up: Axis, frame: Box) -> Box | None:
    """Where the interval in y stands; an infinite end runs to the edge."""
    if math.isnan(point.y_low) or math.isnan(point.y_high):
        return None
    top = up(point.y_high) if math.isfinite(point.y_high) else frame.top
    bottom = up(point.y_low) if math.isfinite(point.y_low) else frame.bottom
    return Box(across(point.x) - 3, top, across(point.x) + 3, bottom)


def _mark(plot: _Scatter, point: Point, place: tuple[float, float], bar: Box | None) -> Markup:
    look = plot.palette[point.label]
    whisker = None
    if bar is not None:
        x, top, bottom = (round(v, 2) for v in (place[0], bar.top, bar.bottom))
        d = f"M{x - 4:g} {top:g}h8m-4 0V{bottom:g}m-4 0h8"
        whisker = element("path", d=d, class_=f"whisker {look.colour}")
    return element("g", element("title", _sentence(plot, point)), whisker, look.mark(*place))


def _name(label: str, box: Box, place: tuple[float, float]) -> Markup:
    """The label, tied to its point by a thin line where it stands away from it."""
    x, y = place
    near_x = min(max(x, box.left), box.right)
    near_y = min(max(y, box.top), box.bottom)
    far = math.hypot(near_x - x, near_y - y) > 14
    return element(
        "g",
        line(x, y, near_x, near_y, "leader") if far else None,
        text(box.left, (box.top + box.bottom) / 2, label),
    )


def _sentence(plot: _Scatter, point: Point) -> str:
    x, y = show_number(point.x), show_number(point.y)
    interval = (
        ""
        if math.isnan(point.y_low)
        else f" [{show_number(point.y_low)}, {show_number(point.y_high)}]"
    )
    return f"{point.label}: {plot.y_label} {y}{interval}, {plot.x_label} {x}"
