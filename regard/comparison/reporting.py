"""The report: one self-contained page, the verdict first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import page
from ..data import Images
from ..page import Interval, Markup, Page, Palette, Point, Series
from .pictures import pictures
from .result import Comparison, shown_row

_COLUMNS = (
    "arm",
    "accuracy (trials)",
    "difference to plain, points [95% interval]",
    "verdict",
    "parameters",
    "MACs an image",
    "ms",
)


def report(comparison: Comparison | str | Path) -> Page:
    """The page of a comparison, or of the folder of one; works while trials are still running.

    Raises:
        RegardError: if the folder holds no comparison.
    """
    if not isinstance(comparison, Comparison):
        comparison = Comparison.load(comparison)
    palette = Palette(arm.label for arm in comparison.arms)
    grid = comparison.grid
    made = Page(f"Attention on {grid['host']}, {grid['data']['name']}", lead=comparison.headline)
    made.add("All arms", _table(comparison), *_words(comparison))
    if any(d.n for d in comparison.differences):
        made.add("Differences", *_differences(comparison, palette))
    made.add("Accuracy against cost", *_costs(comparison, palette))
    made.add("Learning curves", _curves(comparison, palette))
    for label, fragments in _attended(comparison).items():
        made.add(f"What {label} attended to", *fragments)
    return made.add("How it was done", *_protocol(comparison))


def _table(comparison: Comparison) -> Markup:
    rows = comparison.rows()
    classes = [
        "reference" if r["difference"] is None else _class(r["difference"]["verdict"]) for r in rows
    ]
    caption = f"Latency: {_conditions(comparison)}"
    return page.table(_COLUMNS, [shown_row(r) for r in rows], caption=caption, row_classes=classes)


def _class(verdict: str) -> str:
    return {"helps": "good", "hurts": "bad"}.get(verdict, "muted")


def _words(comparison: Comparison) -> list[Markup | str]:
    rows = (*comparison.differences, *comparison.control_differences, *comparison.controlled)
    sentences = [page.element("li", d.sentence()) for d in rows if d.n]
    notes = [page.element("li", f"Note: {note}") for note in comparison.notes]
    return [page.element("ul", *sentences, *notes)] if sentences or notes else []


def _differences(comparison: Comparison, palette: Palette) -> list[Markup | str]:
    delta = 100 * comparison.grid["delta"]
    rows = [
        Interval(
            d.arm, 100 * d.mean, 100 * d.low, 100 * d.high, d.verdict.replace("δ", f"{delta:g}")
        )
        for d in (*comparison.differences, *comparison.control_differences)
        if d.n
    ]
    caption = (
        "Difference in test accuracy to the plain network, paired by seed, with 95% t-intervals; "
        f"the band is ±{delta:g} points"
    )
    chart = page.intervals(rows, caption=caption, band=delta, unit="points", palette=palette)
    return [chart]


def _named(verdict: str, delta: float) -> str:
    return verdict.replace("δ", f"{delta:g}")


def _costs(comparison: Comparison, palette: Palette) -> list[Markup]:
    rows = [r for r in comparison.rows() if r["accuracy"] is not None and r["cost"] is not None]
    charts = []
    for key, label, scale in (
        ("latency_ms", "latency of a batch, ms", 1.0),
        ("parameters", "parameters", 1.0),
    ):
        points = [
            Point(
                r["arm"],
                r["cost"][key] * scale,
                100 * r["accuracy"],
                _percent(r["accuracy_low"]),
                _percent(r["accuracy_high"]),
            )
            for r in rows
        ]
        if points:
            caption = f"Test accuracy against {label}; bars: 95% interval of the mean over seeds"
            charts.append(
                page.scatter(points, label, "test accuracy, %", caption=caption, palette=palette)
            )
    return charts


def _percent(value: float | None) -> float:
    return float("nan") if value is None else 100 * value


def _curves(comparison: Comparison, palette: Palette) -> Markup:
    series = [
        Series(label, [e["epoch"] for e in r["epochs"]], [100 * e["accuracy"] for e in r["epochs"]])
        for label, seeds in comparison.results.items()
        for r in seeds.values()
    ]
    caption = "Accuracy after each epoch: mean over seeds, and each seed as a thin line"
    return page.lines(series, "epoch", "accuracy, %", caption=caption, palette=palette)


def _attended(comparison: Comparison) -> dict[str, list[Markup]]:
    folder = comparison.folder
    images = Images.load(folder / "data" / comparison.grid["data"]["key"][:16], check=False)
    found = {}
    for arm in comparison.arms:
        seeds = comparison.results.get(arm.label, {})
        if seeds and not arm.placebo:
            key = comparison.grid["trials"][arm.label][str(min(seeds))]
            fragments = pictures(folder / "trials" / key, images)
            if fragments:
                note = page.element("p", f"Test images, seed {min(seeds)}.", class_="note")
                found[arm.label] = [note, *fragments]
    return found


def _protocol(comparison: Comparison) -> list[Markup | str]:
    grid = comparison.grid
    budget = grid["budget"]
    done, total = comparison.done
    weights = "published weights" if grid["pretrained"] else "from scratch"
    return [
        page.element("pre", grid["data"]["text"]),
        f"Network: {grid['host']}, {weights}; mechanisms start as {grid['start']}. "
        f"{budget['epochs']} epochs of AdamW, batch {budget['batch']}, learning rate up to "
        f"{budget['rate']:g}, weight decay {budget['decay']:g}. {done} of {total} trials are "
        f"finished.",
        "The accuracy is that of the last epoch on test; nothing was chosen on test. One seed "
        "gives all arms the same host weights and the same order of the data. Intervals are "
        "t-intervals of the difference over seeds; verdicts are corrected for the number of "
        "mechanisms (Holm). Inference is over training seeds on this one test set, not over other "
        "data.",
    ]


def _conditions(comparison: Comparison) -> str:
    costs: list[dict[str, Any]] = list(comparison.grid["costs"].values())
    return costs[0]["measured_with"] if costs else ""
