"""Rows of named columns: CSV, TSV and JSON Lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ...errors import RegardError
from ..tree import shown, shown_some
from .lines import read_lines
from .skips import Skips, place

Column = str | int
Row = tuple[int, tuple[str, ...] | None]
EMPTY, DAMAGED = "empty lines", "damaged rows"


def suffix_of(path: Path) -> str:
    """``.csv`` for ``a.csv`` and ``a.csv.gz``, in lower case."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def read_table(path: Path, columns: Sequence[Column], skips: Skips) -> Iterator[Row]:
    """Number of the line and the values of chosen columns, row by row.

    Args:
        path: ``.csv`` (RFC 4180, with ``;`` where the header has no comma), ``.jsonl`` or
            ``.ndjson`` (an object a line); anything else has tabs between columns and no quotes.
        columns: names, for which the first line is the header; or numbers from 1, as for ``cut``,
            for which there is no header. JSON takes names, dotted where objects lie in objects.
        skips: told of empty lines and of damaged rows, whose values are None.

    Raises:
        RegardError: a column that is not there, a damaged row, or as ``read_lines``.
    """
    suffix = suffix_of(path)
    if suffix in (".jsonl", ".ndjson"):
        return _read_json(path, columns, skips)
    return _pick(
        path, _read_csv(path) if suffix == ".csv" else _read_tabs(path, skips), columns, skips
    )


def _read_tabs(path: Path, skips: Skips) -> Iterator[tuple[int, list[str] | None]]:
    for number, line in read_lines(path, skips):
        yield number, None if line is None else line.split("\t")


def _read_csv(path: Path) -> Iterator[tuple[int, list[str] | None]]:
    """A damaged line may lie inside quotes, where leaving it out would change another row."""
    strict = ((number, line or "") for number, line in read_lines(path, Skips()))
    first = next(strict, None)
    if first is None:
        return
    delimiter = ";" if ";" in first[1] and "," not in first[1] else ","
    yield first[0], next(csv.reader([first[1]], delimiter=delimiter), [""])
    reader = csv.reader((line + "\n" for _, line in strict), delimiter=delimiter, strict=True)
    start = 2
    try:
        for row in reader:
            yield start, row or [""]
            start = reader.line_num + 2
    except csv.Error as error:
        raise RegardError(
            f"{place(path, start)}: {error}; expected CSV, with quotes that are closed"
        ) from error


def _pick(
    path: Path,
    rows: Iterable[tuple[int, list[str] | None]],
    columns: Sequence[Column],
    skips: Skips,
) -> Iterator[Row]:
    places: list[int] | None = None
    for number, row in rows:
        if places is None:
            places, header = _places(path, row, columns)
            if header:
                continue
        if row is None:
            yield number, None
        elif row == [""]:
            skips.skip(EMPTY, place(path, number))
        elif len(row) <= max(places):
            wanted = max(places) + 1
            skips.bad(
                DAMAGED, place(path, number), f"{len(row)} columns; expected {wanted} or more"
            )
            yield number, None
        else:
            yield number, tuple(row[index] for index in places)


def _places(
    path: Path, first: list[str] | None, columns: Sequence[Column]
) -> tuple[list[int], bool]:
    """Where the columns stand, from 0, and whether the first row is the header."""
    if all(type(column) is int for column in columns):
        if any(int(column) < 1 for column in columns):
            raise RegardError(f"columns are {list(columns)}; expected numbers from 1, or names")
        return [int(column) - 1 for column in columns], False
    header = [name.strip() for name in first or []]
    missing = [str(column) for column in columns if column not in header]
    if missing:
        raise RegardError(
            f"{shown(path)} has no column {shown_some(missing)}; its first line names "
            f"{shown_some([name[:40] for name in header], 8) or 'nothing'}"
        )
    return [header.index(str(column)) for column in columns], True


def _read_json(path: Path, columns: Sequence[Column], skips: Skips) -> Iterator[Row]:
    for number, line in read_lines(path, skips):
        if line is None:
            yield number, None
        elif not line.strip():
            skips.skip(EMPTY, place(path, number))
        else:
            try:
                yield number, _values(line, columns)
            except (ValueError, RecursionError) as error:
                skips.bad(DAMAGED, place(path, number), str(error))
                yield number, None


def _values(line: str, columns: Sequence[Column]) -> tuple[str, ...]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON ({error})") from error
    return tuple(as_text(value_at(found, str(column)), str(column)) for column in columns)


def value_at(row: Any, column: str) -> Any:
    """``row["a"]["b"]`` for ``a.b``, unless a key has the dot in its name.

    Raises:
        ValueError: there is no such key, with those that are there.
    """
    if isinstance(row, dict) and column in row:
        return row[column]
    first, dot, rest = column.partition(".")
    if dot and isinstance(row, dict) and first in row:
        return value_at(row[first], rest)
    kind = shown_some([str(key) for key in row], 8) if isinstance(row, dict) else "no object"
    raise ValueError(f"no column '{shown(column)}'; found {kind or 'none'}")


def as_text(value: Any, column: str) -> str:
    """A value as text: text itself, a whole number, true or false; missing is empty.

    Raises:
        ValueError: it is something else, or no Unicode.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int):
        raise ValueError(f"column '{shown(column)}' holds a {type(value).__name__}; expected text")
    text = str(value)
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        raise ValueError(f"column '{shown(column)}' holds half a surrogate pair, which is no text")
    return text
