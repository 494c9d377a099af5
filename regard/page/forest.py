"""A forest plot: one estimate and its interval a row, against zero and a band around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import RegardError
from .drawing import WIDE, line, rectangle, sheet, text, x_axis
from .figure import figure
from .lettering import Box, shorten, text_width
from .markup import Markup, element
from .palette import Palette
from .scale import Axis, linear_axis
from .tables import show_number, table

_FOOT = 44  # pixels under the rows, for the axis


class Interval(NamedTuple):
    """One row: an estimate, the ends of its interval, and what is concluded from it.

    NaN is "not known"; an infinite end runs off the chart.
    """

    label: str
    estimate: float
    low: float
    high: float
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class _Forest:
    rows: tuple[Interval, ...]
    zero: float
    band: float | None
    unit: str
    palette: Palette
    label: str


def intervals(
    rows: Sequence[tuple[str, float, float, float, str]],
    *,
    caption: str,
    zero: float = 0.0,
    band: float | None = None,
    unit: str = "",
    palette: Palette | None = None,
) -> Markup:
    """A forest plot.

    Args:
        rows: (label, estimate, low, high, verdict), drawn in this order; ``Interval`` names them.
        caption: what was estimated.
        zero: where the line of no difference stands.
        band: half the width of the shaded region around it, in which a difference does not matter.
        unit: written under the axis.
        palette: of the page; default: one of its own.

    Raises:
        RegardError: no row, a row of another length, low > high, or a band that is not positive.
    """
    checked = tuple(_checked(row) for row in rows)
    if not checked:
        raise RegardError(
            "intervals: no rows came; one (label, estimate, low, high, verdict) works"
        )
    if band is not None and not 0 < band < math.inf:
        raise RegardError(f"intervals: band={band}; a positive number, or None for no band, works")
    looks = palette or Palette(row.label for row in checked)
    plot = _Forest(checked, zero, band, unit, looks, f"Forest plot: {caption}")
    header = ("name", "estimate", "low", "high", "verdict")
    numbers = table(header, checked, _with_unit(caption, unit), numeric=header[1:4])
    return figure(lambda width: _draw(plot, width), caption, numbers)


def _checked(row: tuple[str, float, float, float, str]) -> Interval:
    if len(row) != len(Interval._fields):
        raise RegardError(f"intervals: {row!r}; (label, estimate, low, high, verdict) would work")
    label, estimate, low, high, verdict = row
    interval = Interval(str(label), float(estimate), float(low), float(high), str(verdict))
    if interval.low > interval.high:
        raise RegardError(f"intervals: {label!r} has low {low} above high {high}")
    return interval


def _with_unit(caption: str, unit: str) -> str:
    return f"{caption} ({unit})" if unit else caption


def _draw(plot: _Forest, width: int) -> Markup:
    height, frame = _frame(plot.rows, width)
    axis = _axis(plot, frame)
    rows = [_row(plot, k, axis, frame, width) for k in range(len(plot.rows))]
    return sheet(
        width,
        height,
        plot.label,
        _band(plot, axis, frame),
        x_axis(axis, frame, plot.unit),
        line(axis(plot.zero), frame.top, axis(plot.zero), frame.bottom, "zero"),
        *rows,
    )


def _frame(rows: Sequence[Interval], width: int) -> tuple[float, Box]:
    """Beside the labels and the verdicts on a screen, under them on a phone."""
    bottom = 6 + len(rows) * _pitch(width)
    if width < WIDE:
        return bottom + _FOOT, Box(14, 6, width - 14, bottom)
    left = 24 + min(190.0, max(text_width(row.label) for row in rows))
    right = width - 24 - min(210.0, max(text_width(row.verdict) for row in rows))
    return bottom + _FOOT, Box(left, 6, min(right, width - 16), bottom)


def _pitch(width: int) -> int:
    return 30 if width == WIDE else 46


def _axis(plot: _Forest, frame: Box) -> Axis:
    reach = plot.band or 0.0
    ends = [value for row in plot.rows for value in row[1:4]]
    covered = [plot.zero - reach, plot.zero + reach, *map(float, ends)]
    return linear_axis(covered, frame.left, frame.right)


def _band(plot: _Forest, axis: Axis, frame: Box) -> Markup | None:
    if plot.band is None:
        return None
    left, right = axis(plot.zero - plot.band), axis(plot.zero + plot.band)
    return rectangle(Box(left, frame.top, right, frame.bottom), "band", f"±{plot.band:g}")


def _row(plot: _Forest, index: int, axis: Axis, frame: Box, width: int) -> Markup:
    row, pitch = plot.rows[index], _pitch(width)
    top = frame.top + index * pitch
    look = plot.palette[row.label]
    y = top + pitch * (0.5 if width == WIDE else 0.72)
    return element(
        "g",
        element("title", _sentence(row, plot.unit)),
        rectangle(Box(0, top, width, top + pitch), "hit"),
        line(0, top, width, top, "between") if index else None,
        *_names(row, top, frame, width),
        _whisker(row, axis, frame, y, look.colour),
        look.mark(axis(row.estimate), y) if math.isfinite(row.estimate) else None,
    )


def _names(row: Interval, top: float, frame: Box, width: int) -> list[Markup]:
    if width == WIDE:
        y = top + _pitch(width) / 2
        label, verdict = shorten(row.label, 190), shorten(row.verdict, 210)
        return [text(0, y, label), text(frame.right + 24, y, verdict, class_="verdict")]
    verdict = shorten(row.verdict, 170)
    label = shorten(row.label, width - text_width(verdict) - 12)
    return [text(0, top + 14, label), text(width, top + 14, verdict, "end", "verdict")]


def _whisker(row: Interval, axis: Axis, frame: Box, y: float, colour: str) -> Markup | None:
    """The interval with a cap at an end that is known, an arrowhead at one that is infinite."""
    if math.isnan(row.low) or math.isnan(row.high) or row.low == math.inf or row.high == -math.inf:
        return None
    left = axis(row.low) if math.isfinite(row.low) else frame.left
    right = axis(row.high) if math.isfinite(row.high) else frame.right
    start = (
        f"M{left:.2f} {y - 4:g}v8"
        if math.isfinite(row.low)
        else f"M{left + 5:.2f} {y - 4:g}l-5 4l5 4"
    )
    end = (
        f"M{right:.2f} {y - 4:g}v8"
        if math.isfinite(row.high)
        else f"M{right - 5:.2f} {y - 4:g}l5 4l-5 4"
    )
    path = f"{start}M{left:.2f} {y:g}H{right:.2f}{end}"
    return element("path", d=path, class_=f"whisker {colour}")


def _sentence(row: Interval, unit: str) -> str:
    low, high = show_number(row.low), show_number(row.high)
    numbers = f"{row.label}: {show_number(row.estimate)} [{low}, {high}] {unit}".rstrip()
    return f"{numbers}; {row.verdict}" if row.verdict else numbers
