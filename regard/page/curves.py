"""Learning curves: a thin line for each seed and a strong one for their mean."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from ..errors import RegardError
from .drawing import WIDE, sheet, x_axis, y_axis
from .figure import figure, legend
from .lettering import Box, text_width
from .markup import Markup, element
from .palette import Palette
from .scale import Axis, linear_axis
from .tables import Content, show_number, table

_MARKS = 6  # markers along a line, about


class Series(NamedTuple):
    """One run: ``ys`` over increasing ``xs``. Series of one label are seeds of one thing."""

    label: str
    xs: Sequence[float]
    ys: Sequence[float]


@dataclass(frozen=True, slots=True)
class _Curves:
    groups: dict[str, list[Series]]
    x_label: str
    y_label: str
    palette: Palette
    label: str


def lines(
    series: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    x_label: str,
    y_label: str,
    *,
    caption: str,
    palette: Palette | None = None,
) -> Markup:
    """Curves grouped by label. The mean stands only where every series of the label has a value.

    A y that is not finite breaks its line.

    Args:
        series: (label, xs, ys); ``Series`` names them. Some hundred points each are plenty.
        x_label, y_label: what the axes measure, with units.
        caption: what the chart shows.
        palette: of the page; default: one of its own.

    Raises:
        RegardError: no series, an empty one, xs and ys of different lengths, or xs that are not
            finite and increasing.
    """
    checked = [_checked(one) for one in series]
    if not checked:
        raise RegardError("lines: no series came; one (label, xs, ys) or more works")
    groups: dict[str, list[Series]] = {}
    for one in checked:
        groups.setdefault(one.label, []).append(one)
    looks = palette or Palette(groups)
    plot = _Curves(groups, x_label, y_label, looks, f"Line chart: {caption}")
    numbers = _numbers(groups, x_label, f"{caption}: {y_label}")
    return figure(lambda width: _draw(plot, width), caption, numbers, legend(groups, looks, True))


def mean(series: Sequence[Series]) -> Series:
    """The mean at every x that all the series have; NaN where one of them is not finite there."""
    values = [dict(zip(one.xs, one.ys, strict=True)) for one in series]
    xs = sorted(set.intersection(*(set(one.xs) for one in series)))
    ys = [_mean([one[x] for one in values]) for x in xs]
    return Series(series[0].label, xs, ys)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if all(map(math.isfinite, values)) else math.nan


def _checked(one: tuple[str, Sequence[float], Sequence[float]]) -> Series:
    if len(one) != len(Series._fields):
        raise RegardError(f"lines: {len(one)} parts came for a series; (label, xs, ys) would work")
    label, xs, ys = str(one[0]), [float(x) for x in one[1]], [float(y) for y in one[2]]
    if not xs or len(xs) != len(ys):
        raise RegardError(
            f"lines: {label!r} has {len(xs)} xs and {len(ys)} ys; as many of each works"
        )
    if not all(map(math.isfinite, xs)) or any(b <= a for a, b in pairwise(xs)):
        raise RegardError(f"lines: the xs of {label!r} are not finite and increasing")
    return Series(label, xs, ys)


def _draw(plot: _Curves, width: int) -> Markup:
    height = 360 if width == WIDE else 300
    every = [one for group in plot.groups.values() for one in group]
    xs = [x for one in every for x in one.xs]
    up = linear_axis([y for one in every for y in one.ys], height - 44, 30, spacing=44)
    left = 12 + max(text_width(label) for label in up.labels())
    frame = Box(left, 30, width - 14, height - 44)
    whole = all(x.is_integer() for x in xs)
    across = linear_axis(xs, frame.left, frame.right, whole, spacing=40)
    groups = [_group(plot, label, across, up) for label in plot.groups]
    axes = (x_axis(across, frame, plot.x_label), y_axis(up, frame, plot.y_label))
    return sheet(width, height, plot.label, *axes, *groups)


def _group(plot: _Curves, label: str, across: Axis, up: Axis) -> Markup:
    group, look = plot.groups[label], plot.palette[label]
    centre = mean(group)
    seeds = [
        element("path", d=_path(one, across, up), class_=f"seed {look.colour}")
        for one in group
        if len(group) > 1
    ]
    strong = element(
        "path",
        d=_path(centre, across, up),
        class_=f"mean {look.colour}",
        stroke_dasharray=look.dash,
    )
    marks = [
        look.mark(across(x), up(y), 4, _sentence(plot, label, x, y)) for x, y in _spread(centre)
    ]
    return element("g", element("title", _title(label, len(group))), *seeds, strong, *marks)


def _title(label: str, count: int) -> str:
    return label if count == 1 else f"{label}: the mean of {count} runs, and each of them"


def _sentence(plot: _Curves, label: str, x: float, y: float) -> str:
    return f"{label}: {plot.y_label} {show_number(y)} at {plot.x_label} {show_number(x)}"


def _path(one: Series, across: Axis, up: Axis) -> str:
    """A point between two gaps stays visible as a line of no length with round ends."""
    parts, pen_down = [], False
    for x, y in zip(one.xs, one.ys, strict=True):
        if math.isfinite(y):
            parts.append(f"{'L' if pen_down else 'M'}{across(x):.1f} {up(y):.1f}")
            parts.append("" if pen_down else "h0")
        pen_down = math.isfinite(y)
    return "".join(parts)


def _spread(one: Series) -> list[tuple[float, float]]:
    """Some points at even distances, the last one among them."""
    known = [(x, y) for x, y in zip(one.xs, one.ys, strict=True) if math.isfinite(y)]
    stride = max(1, math.ceil(len(known) / _MARKS))
    return known[::-1][::stride]


def _numbers(groups: dict[str, list[Series]], x_label: str, caption: str) -> Markup:
    columns = [column for label, group in groups.items() for column in _columns(label, group)]
    xs = sorted({x for _, one in columns for x in one.xs})
    values = [dict(zip(one.xs, one.ys, strict=True)) for _, one in columns]
    header = (x_label, *(name for name, _ in columns))
    rows: list[list[Content]] = [[x, *(one.get(x) for one in values)] for x in xs]
    return table(header, rows, caption, numeric=header)


def _columns(label: str, group: list[Series]) -> Iterable[tuple[str, Series]]:
    if len(group) == 1:
        return [(label, group[0])]
    runs = [(f"{label}, run {k}", one) for k, one in enumerate(group, start=1)]
    return [(f"{label}, mean", mean(group)), *runs]
