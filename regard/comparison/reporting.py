"""The report: one self-contained page, the verdict first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import page
from ..page import Cell, Interval, Markup, Page, Palette, Point, Series
from .measures import by_length, signatures, table_by_length, table_of_means
from .pictures import attended
from .protocol import item_of, plain_of, protocol
from .result import Comparison
from .wording import name_of, shown, shown_row

_CLASSES = {"helps": "good", "hurts": "bad"}
_BESIDE = {"helps": "better", "hurts": "worse"}


def report(comparison: Comparison | str | Path) -> Page:
    """The page of a comparison, or of the folder of one; works while trials are still running.

    Raises:
        RegardError: if the folder holds no comparison.
    """
    if not isinstance(comparison, Comparison):
        comparison = Comparison.load(comparison)
    palette = Palette(arm.label for arm in comparison.arms)
    grid = comparison.grid
    what = page.capital(name_of(comparison.measure))
    title = f"Attention compared: {grid['host']} on {grid['data']['name']}"
    made = Page(title, lead=comparison.headline)
    made.add("All arms", *_notes(comparison), _table(comparison), *_further(comparison))
    sections: dict[str, Sequence[Markup | str]] = {
        "Differences": _differences(comparison, palette),
        "Against the controls": _controls(comparison),
        f"{what} by length": _by_length(comparison, palette),
        f"{what} against cost": _costs(comparison, palette),
        "Learning curves": _curves(comparison, palette),
        "What the mechanisms attended to": attended(comparison),
    }
    for title, fragments in sections.items():
        if fragments:
            made.add(title, *fragments)
    return made.add("How it was done", *protocol(comparison))


def _notes(comparison: Comparison) -> list[Markup]:
    """What should be known before the numbers."""
    return [page.element("p", note, class_="note") for note in comparison.notes]


def _differences(comparison: Comparison, palette: Palette) -> list[Markup | str]:
    """The differences as a chart and in words."""
    delta = 100 * comparison.grid["delta"]
    every = (*comparison.differences, *comparison.control_differences)
    rows = [
        Interval(d.arm, 100 * d.mean, *_within(d.low, d.high), _verdict(d.verdict, delta))
        for d in every
        if d.n
    ]
    if not rows:
        return [f"No arm shares a finished seed with {plain_of(comparison)} yet."]
    caption = (
        f"Difference in test {name_of(comparison.measure)} to {plain_of(comparison)}, paired by "
        "seed, with 95% t-intervals; "
        f"right of the line is better, and within the band of ±{delta:g} points it does not matter"
    )
    chart = page.intervals(rows, caption=caption, band=delta, unit="points", palette=palette)
    words = [page.element("li", d.sentence()) for d in every if d.n]
    summary = page.element("summary", "In words")
    return [chart, page.element("details", summary, page.element("ul", *words))]


def _table(comparison: Comparison) -> Markup:
    rows = comparison.rows()
    classes = [
        "reference" if r["difference"] is None else _class(r["difference"]["verdict"]) for r in rows
    ]
    conditions = next((c["measured_with"] for c in comparison.grid["costs"].values()), "")
    caption = (
        f"{page.capital(name_of(comparison.measure))} on test: mean over seeds, and their number"
    )
    if conditions:
        caption += f"; latency of a batch: {conditions}"
    columns = _columns(comparison)
    numbers = [column for column in columns if column not in ("arm", "verdict")]
    cells = [_cells(row, comparison.measure) for row in rows]
    return page.table(columns, cells, caption, numbers, classes)


def _cells(row: Mapping[str, Any], measure: str) -> list[str | Cell]:
    """A row as the table shows it, its numbers to be sorted by."""
    arm, share, size, verdict, *costs = shown_row(row)
    difference, cost = row["difference"] or {}, row["cost"] or {}
    keys = (cost.get(name) for name in ("parameters", "macs_per_sample", "latency_ms"))
    return [
        arm,
        _cell(share, row[measure]),
        _cell(size, difference.get("mean")),
        verdict,
        *map(_cell, costs, keys),
    ]


def _cell(shown: str, value: float | None) -> Cell:
    return Cell(shown, float("nan") if value is None or not shown else value)


def _columns(comparison: Comparison) -> tuple[str, ...]:
    plain = "plain" if comparison.grid["kind"] == "images" else f"'{comparison.reference}'"
    return (
        "arm",
        f"{name_of(comparison.measure)} (trials)",
        f"difference to {plain}, points [95% interval]",
        "verdict",
        "parameters",
        f"MACs {item_of(comparison)}",
        "ms",
    )


def _further(comparison: Comparison) -> list[Markup]:
    """The other measures, and how sacrebleu was set."""
    rows = table_of_means(comparison.results, comparison.measures())
    if not rows:
        return []
    caption = "Other measures on test, means over seeds"
    made = page.table(rows[0], rows[1:], caption, rows[0][1:])
    return [made, *(page.element("p", line) for line in signatures(comparison.results))]


def _by_length(comparison: Comparison, palette: Palette) -> list[Markup]:
    found = by_length(comparison.results, comparison.measure)
    series = [
        Series(arm, [b.length for b in row], [100 * b.value for b in row])
        for arm, row in found.items()
    ]
    if not series:
        return []
    what = name_of(comparison.measure)
    caption = f"{page.capital(what)} against the length of the source, mean over seeds"
    chart = page.lines(
        series, "tokens of the source", f"{what}, %", caption=caption, palette=palette
    )
    rows = table_by_length(comparison.results, comparison.measure)
    counts = ", ".join(f"{b.label}: {b.sentences:,}" for b in next(iter(found.values())))
    told = f"The same as a table; sentences of {counts}"
    table = page.table(rows[0], rows[1:], told, rows[0][1:])
    return [chart, table]


def _controls(comparison: Comparison) -> list[Markup]:
    """Each mechanism against each control that is for it."""
    rows = [d for d in comparison.controlled if d.n]
    if not rows:
        return []
    columns = ("mechanism", "control", "difference, points [95% interval]", "the mechanism is")
    cells = []
    for row in rows:
        size, verdict = shown(row.facts())
        cells.append((row.arm, row.baseline, size, _BESIDE.get(verdict, verdict)))
    caption = (
        "Is it the attention? A widened network has at least the parameters and MACs of any arm, a "
        "longer one was trained at least as long, a placebo cannot look at the sample"
    )
    classes = [_class(d.verdict) for d in rows]
    return [page.table(columns, cells, caption=caption, row_classes=classes)]


def _costs(comparison: Comparison, palette: Palette) -> list[Markup]:
    what = comparison.measure
    rows = [r for r in comparison.rows() if r[what] is not None and r["cost"] is not None]
    charts = []
    for key, label in (("latency_ms", "latency of a batch, ms"), ("parameters", "parameters")):
        points = [
            Point(
                r["arm"],
                r["cost"][key],
                100 * r[what],
                _percent(r[f"{what}_low"]),
                _percent(r[f"{what}_high"]),
            )
            for r in rows
        ]
        if points:
            name = f"test {name_of(what)}"
            caption = f"{page.capital(name)} against {label}"
            caption += "; bars: 95% interval of the mean over seeds"
            charts.append(
                page.scatter(points, label, f"{name}, %", caption=caption, palette=palette)
            )
    return charts


def _curves(comparison: Comparison, palette: Palette) -> list[Markup]:
    """A chart for each measure that was taken after every epoch."""
    part = "held-out validation" if comparison.grid.get("validation") else "test"
    items = {"images": " images"}.get(comparison.grid["kind"], "")
    charts = []
    for name in comparison.measures():
        series = [
            Series(arm, [e["epoch"] for e in r["epochs"]], [100 * e[name] for e in r["epochs"]])
            for arm, seeds in comparison.results.items()
            for r in seeds.values()
            if r["epochs"] and all(name in e for e in r["epochs"])
        ]
        if series:
            what = name_of(name)
            caption = f"{page.capital(what)} on {part}{items} after each epoch"
            caption += ": mean over seeds, thin lines each seed"
            charts.append(
                page.lines(series, "epoch", f"{what}, %", caption=caption, palette=palette)
            )
    return charts


def _class(verdict: str) -> str:
    return _CLASSES.get(verdict, "muted")


def _verdict(verdict: str, delta: float) -> str:
    return verdict.replace("δ", f"{delta:g}")


def _within(low: float, high: float) -> tuple[float, float]:
    """An interval in points; a difference of accuracies lies within ±100, infinite stays so."""
    if math.isinf(high):
        return low, high
    return 100 * max(low, -1.0), 100 * min(high, 1.0)


def _percent(value: float | None) -> float:
    """A bound of an interval; an accuracy is not below 0 or above 100 %, whatever t says."""
    return float("nan") if value is None else 100 * min(max(value, 0.0), 1.0)
