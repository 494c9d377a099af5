"""Horizontal bars, such as the gates of a channel attention, the largest first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import RegardError
from .drawing import line, rectangle, sheet, text, x_axis
from .figure import figure
from .lettering import Box, shorten, text_width
from .markup import Markup, element
from .scale import Axis, brief, linear_axis
from .tables import show_number, table

_PITCH, _FOOT = 22, 44  # pixels of a row, and under the rows for the axis


class _Bar(NamedTuple):
    label: str
    value: float


@dataclass(frozen=True, slots=True)
class _Bars:
    rows: tuple[_Bar | None, ...]  # None where bars are left out
    left_out: int
    reference: float | None
    value_label: str
    label: str


def bars(
    labels: Sequence[str],
    values: Sequence[float],
    *,
    caption: str,
    value_label: str = "",
    reference: float | None = None,
    ordered: bool = True,
    most: int = 40,
) -> Markup:
    """Horizontal bars from zero.

    Args:
        labels: one a bar.
        values: in the same order; one that is not finite has no bar and comes last.
        caption: what the chart shows.
        value_label: what the axis measures, with units.
        reference: a value to compare with, drawn as a line (1 for a gate that changes nothing).
        ordered: the largest first; otherwise as given.
        most: of more bars only the first and the last are drawn; the table holds all.

    Raises:
        RegardError: no bar, labels and values of different lengths, or ``most`` below 2.
    """
    if not labels or len(labels) != len(values):
        raise RegardError(
            f"bars: {len(labels)} labels and {len(values)} values; as many of each would work"
        )
    if most < 2:
        raise RegardError(f"bars: most={most}; 2 or more would work")
    rows = [_Bar(str(a), float(b)) for a, b in zip(labels, values, strict=True)]
    if ordered:
        rows.sort(key=_descending)
    drawn, left_out = _ends(rows, most)
    plot = _Bars(drawn, left_out, reference, value_label, f"Bar chart: {caption}")
    header = ("name", value_label or "value")
    return figure(lambda width: _draw(plot, width), caption, table(header, rows, caption))


def _descending(row: _Bar) -> tuple[bool, float]:
    return (False, -row.value) if math.isfinite(row.value) else (True, 0.0)


def _ends(rows: Sequence[_Bar], most: int) -> tuple[tuple[_Bar | None, ...], int]:
    if len(rows) <= most:
        return tuple(rows), 0
    half = most // 2
    return (*rows[: most - half], None, *rows[-half:]), len(rows) - most


def _draw(plot: _Bars, width: int) -> Markup:
    longest = max(text_width(row.label) for row in plot.rows if row)
    left = 10 + min(longest, 0.36 * width)
    right = 10 + max(text_width(brief(row.value)) for row in plot.rows if row)
    frame = Box(left, 6, width - right, 6 + _PITCH * len(plot.rows))
    reference = [] if plot.reference is None else [float(plot.reference)]
    axis = linear_axis(
        [0.0, *reference, *(row.value for row in plot.rows if row)], frame.left, frame.right
    )
    rows = [_row(plot, k, axis, frame) for k in range(len(plot.rows))]
    zero = line(axis(0.0), frame.top, axis(0.0), frame.bottom, "zero")
    marks = [line(axis(v), frame.top, axis(v), frame.bottom, "reference-line") for v in reference]
    height = frame.bottom + _FOOT
    return sheet(
        width, height, plot.label, x_axis(axis, frame, plot.value_label), *rows, zero, *marks
    )


def _row(plot: _Bars, index: int, axis: Axis, frame: Box) -> Markup:
    row, y = plot.rows[index], frame.top + (index + 0.5) * _PITCH
    if row is None:
        return text(0, y, f"… {plot.left_out} more", class_="value")
    label = shorten(row.label, frame.left - 10)
    shown = show_number(row.value)
    if not math.isfinite(row.value):
        return element("g", text(0, y, label), text(frame.left + 6, y, shown))
    low, high = sorted((axis(0.0), axis(row.value)))
    return element(
        "g",
        element("title", f"{row.label}: {shown}"),
        text(0, y, label),
        rectangle(Box(low, y - 7, high, y + 7), "bar"),
        text(frame.right + 8, y, brief(row.value), class_="value"),
    )
