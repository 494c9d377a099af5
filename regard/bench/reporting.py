"""The page of a benchmark: tables, a picture of the ratios, curves of what grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .. import page
from ..page import Interval, Markup, Page, Palette, Series
from .findings import Row, Wrong
from .statistics import LIMIT
from .wording import OTHERS, RATIOS, Table, growth, memory, named, notes, series_of, summary, times


def report(
    rows: Sequence[Row], wrong: Sequence[Wrong], conditions: Mapping[str, str | int | float]
) -> Page:
    """The page.

    Args:
        rows: what was measured.
        wrong: what was not, because it is wrong.
        conditions: of the measurement, by name.
    """
    fixed = [row for row in rows if row.case.part != "growth"]
    grown = [row for row in rows if row.case.part == "growth"]
    made = Page("How fast the mechanisms are", lead="; ".join(summary(fixed)))
    if wrong:
        items = [page.element("li", one.sentence()) for one in wrong]
        made.add("What is wrong", page.element("ul", *items))
    if fixed:
        made.add("Ratios", *_ratios(fixed))
    for part in ("modules", "networks"):
        if found := [row for row in rows if row.case.part == part]:
            made.add(part.capitalize(), *_tables(found))
    if grown:
        made.add("Growth", *_curves(grown), _table(growth(grown), "Times from small to large"))
    facts = [(name, str(value)) for name, value in conditions.items()]
    return made.add(
        "How it was measured",
        page.table(("condition", "value"), facts, "Conditions"),
        *notes(rows),
    )


def _tables(rows: Sequence[Row]) -> list[Markup]:
    """Times, and memory where anything is trained."""
    kept = memory(rows)
    caption = "Kept for backward / at the highest point of a step"
    return [_table(times(rows), f"Medians; {RATIOS}"), *([_table(kept, caption)] if kept else [])]


def _table(lines: Table, caption: str) -> Markup:
    head, *body = lines
    return page.table(head, body, caption)


def _ratios(rows: Sequence[Row]) -> list[Markup]:
    """A forest plot for each other contender."""
    labels = _labels(rows)
    palette = Palette(labels)
    charts = []
    for name in OTHERS:
        found = [
            Interval(label, *entry.ratio, entry.ratio.verdict)
            for label, row in zip(labels, rows, strict=True)
            if (entry := row.entry(name)) is not None
            and entry.ratio
            # Tokens are mostly products of matrices: a copy is no limit of theirs.
            and not (name == "copy" and row.case.layout == "tokens")
        ]
        if found:
            caption = f"Time of ours over {name}: left of the line is faster"
            charts.append(
                page.intervals(
                    found, caption=caption, zero=1.0, band=LIMIT - 1, unit="ratio", palette=palette
                )
            )
    return charts


def _labels(rows: Sequence[Row]) -> list[str]:
    """Each case in few words: its shape only where the mechanism has several."""
    shapes: dict[str, set[str]] = {}
    for row in rows:
        mechanism, shape, *_ = named(row.case)
        shapes.setdefault(mechanism, set()).add(shape)
    labels = []
    for row in rows:
        mechanism, shape, layout, mode = named(row.case)
        words = [shape] if len(shapes[mechanism]) > 1 else []
        words += [] if layout == "tokens" else [layout]
        labels.append(f"{mechanism} {' '.join([*words, mode])}")
    return labels


def _curves(rows: Sequence[Row]) -> list[Markup]:
    """Milliseconds over the size, one chart for each thing that grows."""
    charts = []
    for (mechanism, mode, along), group in series_of(rows):
        sizes = [float(row.case.grown) for row in group]
        series = []
        for name in ("ours", "plain", "timm"):
            entries = [row.entry(name) for row in group]
            medians = [entry.ms.median for entry in entries if entry and entry.ms]
            if len(medians) == len(sizes):
                series.append(Series(name, sizes, medians))
        if series:
            caption = f"{mechanism}, {mode}: time as {along} grows"
            charts.append(page.lines(series, along, "ms", caption=caption))
    return charts
