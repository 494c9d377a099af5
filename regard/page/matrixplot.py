"""A matrix with tokens on both axes, such as how a translation looks at its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, cos, radians, sin

import numpy as np
import numpy.typing as npt

from ..errors import RegardError
from .colours import viridis
from .drawing import WIDE, sheet
from .figure import figure
from .lettering import SIZE, shorten, text_width
from .markup import Markup, element
from .pictures import colour_bar
from .pixels import Pixels, address_of, values_of
from .tables import table

_PITCH, _LEAST = 26.0, 12.0  # pixels of a cell, at most and at least: then letters are legible
_TURN = 60  # degrees by which names of columns rise, unless all are short enough to stand
_GAP, _APART = 6, 16  # pixels between names and cells, and between panels
_STRONGEST = ("strongest", "second", "third")
_SLACK = 1e-4  # weights that were summed in half precision may be a little more than 1


@dataclass(frozen=True, slots=True)
class _Matrix:
    colours: Pixels  # [R, C, 3]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    label: str
    told: str


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where things stand in one drawing."""

    left: float  # of the cells
    head: float  # height of the names of columns
    longest: float  # pixels of a name at most
    each: int  # columns of a panel
    pitch: float
    upright: bool

    @property
    def letters(self) -> float:
        """Size of the font."""
        return _font(self.pitch)


def matrix(
    values: npt.ArrayLike,
    rows: Sequence[str],
    columns: Sequence[str],
    caption: str,
    *,
    high: float = 1.0,
) -> Markup:
    """A matrix in the colours of viridis, its rows and columns named.

    More columns than fit beside each other with legible names go on in a second panel below.

    Args:
        values: float ``[R, C]`` in 0 to 1.
        rows, columns: R and C names, from top to bottom and from left to right.
        caption: what is seen.
        high: the value of the brightest colour, which larger ones have too; 0 is the darkest.

    Raises:
        RegardError: another shape or type, other numbers of names, a value outside 0 to 1 or not
            finite, or ``high`` outside it.
    """
    weights = _checked(values, rows, columns, high)
    named = tuple(map(_name, rows)), tuple(map(_name, columns))
    strongest = _strongest(weights, *named)
    told = "; ".join(f"{row[0]}: {row[1]}" for row in strongest)
    colours = viridis(weights / high)
    plot = _Matrix(colours, *named, f"Matrix: {caption}", f"The strongest of each row. {told}.")
    head = ("row", *_STRONGEST[: len(strongest[0]) - 1])
    scale = colour_bar(0.0, high, beyond=bool(weights.max() > high + _SLACK))
    return figure(lambda width: _draw(plot, width), caption, table(head, strongest, caption), scale)


def _checked(
    values: npt.ArrayLike, rows: Sequence[str], columns: Sequence[str], high: float
) -> npt.NDArray[np.float64]:
    weights = values_of(values, "matrix")
    if weights.shape != (len(rows), len(columns)):
        raise RegardError(
            f"matrix: values {[*weights.shape]} with {len(rows)} rows and {len(columns)} columns; "
            "a name for each row and each column would work"
        )
    if not ((weights >= 0) & (weights <= 1 + _SLACK)).all() or not 0 < high <= 1:
        raise RegardError(
            f"matrix: values from {weights.min()} to {weights.max()}, brightest at {high}; "
            "finite ones from 0 to 1 would work, and a brightest above 0"
        )
    return weights


def _name(token: str) -> str:
    """A token that can be seen."""
    return token if token.strip() else "␣" * max(1, len(token))


def _strongest(
    weights: npt.NDArray[np.float64], rows: Sequence[str], columns: Sequence[str]
) -> list[tuple[str, ...]]:
    """Each row's name and its strongest columns."""
    order = np.argsort(-weights, axis=1, kind="stable")[:, : len(_STRONGEST)]
    return [
        (row, *(f"{columns[k]} {weights[r, k]:.2f}" for k in order[r]))
        for r, row in enumerate(rows)
    ]


def _draw(plot: _Matrix, width: int) -> Markup:
    grid = _grid(plot, width)
    tall = grid.head + _GAP + len(plot.rows) * grid.pitch + _APART
    starts = range(0, len(plot.columns), grid.each)
    drawn = [
        element(
            "g",
            _panel(plot, grid, slice(start, start + grid.each)),
            transform=f"translate(0 {k * tall:.2f})",
        )
        for k, start in enumerate(starts)
    ]
    about = element("title", plot.label), element("desc", plot.told)
    return sheet(width, len(starts) * tall - _APART + 2, plot.label, *about, *drawn)


def _grid(plot: _Matrix, width: int) -> _Grid:
    longest = (0.16 if width == WIDE else 0.26) * width
    left = _GAP + min(longest, max(map(text_width, plot.rows)))
    names = min(longest, max(map(text_width, plot.columns)))
    upright = names <= _LEAST * SIZE / _font(_LEAST)
    room = width - left - (0 if upright else names * cos(radians(_TURN)))
    panels = ceil(len(plot.columns) / (room // _LEAST))
    each = ceil(len(plot.columns) / panels)  # even panels
    head = SIZE if upright else names * sin(radians(_TURN)) + SIZE / 2
    return _Grid(left, head, longest, each, min(_PITCH, room / each), upright)


def _panel(plot: _Matrix, grid: _Grid, part: slice) -> Markup:
    colours, top = plot.colours[:, part], grid.head + _GAP
    height, width = (grid.pitch * n for n in colours.shape[:2])
    picture = element(
        "image",
        href=address_of(colours),
        x=float(grid.left),
        y=float(top),
        width=float(width),
        height=float(height),
        preserveAspectRatio="none",
        class_="pixels",
    )
    rows = [
        _written(row, grid, (grid.left - _GAP, top + (k + 0.5) * grid.pitch), "end")
        for k, row in enumerate(plot.rows)
    ]
    columns = [
        _column(column, grid, grid.left + (k + 0.5) * grid.pitch)
        for k, column in enumerate(plot.columns[part])
    ]
    return element("g", picture, *rows, *columns, font_size=float(grid.letters))


def _column(name: str, grid: _Grid, x: float) -> Markup:
    if grid.upright:
        return _written(name, grid, (x, grid.head - SIZE / 2 + 2), "middle")
    return _written(name, grid, (x, grid.head), None, f"rotate({-_TURN} {x:.2f} {grid.head:.2f})")


def _font(pitch: float) -> float:
    return min(SIZE, 0.9 * pitch)


def _written(
    name: str, grid: _Grid, place: tuple[float, float], anchor: str | None, turn: str | None = None
) -> Markup:
    """A name, in the middle of its line at the place; the whole of a long one is its tooltip."""
    shown = shorten(name, grid.longest)
    return element(
        "text",
        shown,
        None if shown == name else element("title", name),
        x=float(place[0]),
        y=float(place[1] + 0.35 * grid.letters),
        text_anchor=anchor,
        transform=turn,
    )
