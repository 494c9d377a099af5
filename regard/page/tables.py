"""Tables with a caption, numbers on the right, and headers that sort once ``page.js`` runs."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from ..errors import RegardError
from .markup import Markup, element

_CLASSES = re.compile(r"[A-Za-z][\w-]*( [A-Za-z][\w-]*)*")
NOTHING = "–"  # what is shown for None and NaN
# Letters of a cell that is not broken into lines: the table scrolls instead. The first cell of a
# row stays in sight then, so on a phone it may not be wide.
_SHORT, _FIRST = 48, 20


class Cell(NamedTuple):
    """A cell that shows one thing and sorts by another: ``Cell("76.2 ± 0.3", 76.2)``."""

    shown: str
    value: float


Content = str | int | float | Cell | None


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Content]],
    caption: str,
    numeric: Collection[str] | None = None,
    row_classes: Sequence[str] | None = None,
) -> Markup:
    """A table that scrolls in a box of its own; the first cell of a row is the row's header.

    Numbers are shown to six significant digits and sort by their full value; None and NaN are shown
    as a dash and come last.

    Args:
        columns: headers.
        rows: one cell a column each.
        caption: what the table holds; it also names the table for a screen reader.
        numeric: headers of the columns of numbers; default: those that hold nothing else.
        row_classes: a class for each row, "" for none. The style sheet knows ``good``, ``bad``,
            ``muted`` and ``reference``.

    Raises:
        RegardError: no column, a row of another length, an unknown name in ``numeric``, or
            ``row_classes`` of another length or with something that is no class.
    """
    right = _numeric(columns, rows, numeric)
    classes = _classes(rows, row_classes)
    head = element("tr", *(_header(c, r) for c, r in zip(columns, right, strict=True)))
    inside = element(
        "table",
        element("caption", element("span", caption)),
        element("thead", head),
        element("tbody", *(_row(row, right, c) for row, c in zip(rows, classes, strict=True))),
        class_="sortable",
    )
    # Who has no mouse scrolls a box that can be focused.
    return element(
        "div", inside, class_="scroll", tabindex=0, role="group", aria_label=str(caption)
    )


def show_number(value: float) -> str:
    """Six significant digits, a whole number in full with commas, a dash for NaN."""
    if isinstance(value, int):
        return f"{value:,}"
    return NOTHING if math.isnan(value) else f"{value:.6g}"


def _numeric(
    columns: Sequence[str], rows: Sequence[Sequence[Content]], numeric: Collection[str] | None
) -> list[bool]:
    if not columns:
        raise RegardError("a table without columns; one header or more would work")
    for number, row in enumerate(rows):
        if len(row) != len(columns):
            raise RegardError(
                f"row {number} of the table has {len(row)} cells for {len(columns)} columns"
            )
    if numeric is None:
        return [_all_numbers([row[k] for row in rows]) for k in range(len(columns))]
    unknown = set(numeric) - set(columns)
    if unknown:
        raise RegardError(f"numeric={sorted(unknown)} are no columns; the columns: {[*columns]}")
    return [column in numeric for column in columns]


def _all_numbers(cells: Sequence[Content]) -> bool:
    values = [cell for cell in cells if cell is not None]
    return bool(values) and not any(isinstance(cell, str) for cell in values)


def _classes(rows: Sequence[Sequence[Content]], row_classes: Sequence[str] | None) -> Sequence[str]:
    if row_classes is None:
        return [""] * len(rows)
    if len(row_classes) != len(rows):
        raise RegardError(f"{len(row_classes)} row_classes came for {len(rows)} rows")
    for name in row_classes:
        if name and not _CLASSES.fullmatch(name):
            raise RegardError(
                f"row_classes: {name!r} is no class; a word such as 'good' would work"
            )
    return row_classes


def _header(column: str, right: bool) -> Markup:
    return element("th", column, scope="col", class_="number" if right else None)


def _row(row: Sequence[Content], right: Sequence[bool], class_: str) -> Markup:
    first, *others = (
        _cell(cell, r, k == 0) for k, (cell, r) in enumerate(zip(row, right, strict=True))
    )
    return element("tr", first, *others, class_=class_ or None)


def _cell(cell: Content, right: bool, first: bool) -> Markup:
    shown, key = _shown(cell)
    long = len(shown) > (_FIRST if first else _SHORT)
    return element(
        "th" if first else "td",
        shown,
        scope="row" if first else None,
        class_="number" if right else "long" if long else None,
        data_value=key,
    )


def _shown(cell: Content) -> tuple[str, str | None]:
    """What is read, and what sorts where that is not the same."""
    if cell is None:
        return NOTHING, ""
    if isinstance(cell, Cell):
        return cell.shown, _key(cell.value)
    if isinstance(cell, str):
        return cell, None
    value = cell if isinstance(cell, int) else float(cell)
    shown, key = show_number(value), _key(value)
    return shown, None if shown == key else key


def _key(value: float) -> str:
    if isinstance(value, float) and math.isnan(value):
        return ""
    return repr(value).replace("inf", "Infinity")
