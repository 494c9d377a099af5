"""The report: one self-contained page, the verdict first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import page
from ..data import Images
from ..errors import RegardError
from ..page import Interval, Markup, Page, Palette, Point, Series
from ..tasks import data_folder
from .arms import Arm
from .attended import shown_images
from .pictures import Shown, pictures
from .result import Comparison
from .wording import shown, shown_row

_COLUMNS = (
    "arm",
    "accuracy (trials)",
    "difference to plain, points [95% interval]",
    "verdict",
    "parameters",
    "MACs an image",
    "ms",
)
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
    title = f"Attention compared: {grid['host']} on {grid['data']['name']}"
    made = Page(title, lead=comparison.headline)
    made.add("All arms", *_notes(comparison), _table(comparison))
    sections: dict[str, Sequence[Markup | str]] = {
        "Differences": _differences(comparison, palette),
        "Against the controls": _controls(comparison),
        "Accuracy against cost": _costs(comparison, palette),
        "Learning curves": _curves(comparison, palette),
        "What the mechanisms attended to": _attended(comparison),
    }
    for title, fragments in sections.items():
        if fragments:
            made.add(title, *fragments)
    return made.add("How it was done", *_protocol(comparison))


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
        return ["No arm shares a finished seed with the plain network yet."]
    caption = (
        "Difference in test accuracy to the plain network, paired by seed, with 95% t-intervals; "
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
    cells = [[_unbroken(cell) for cell in shown_row(row)] for row in rows]
    conditions = next((c["measured_with"] for c in comparison.grid["costs"].values()), "")
    caption = "Accuracy on test: mean over seeds, and their number"
    if conditions:
        caption += f"; latency of a batch: {conditions}"
    return page.table(_COLUMNS, cells, caption=caption, row_classes=classes)


def _controls(comparison: Comparison) -> list[Markup]:
    """Each mechanism against each control that is for it."""
    rows = [d for d in comparison.controlled if d.n]
    if not rows:
        return []
    columns = ("mechanism", "control", "difference, points [95% interval]", "the mechanism is")
    cells = []
    for row in rows:
        size, verdict = shown(row.facts())
        cells.append(
            (row.arm, _unbroken(row.baseline), _unbroken(size), _BESIDE.get(verdict, verdict))
        )
    caption = (
        "Is it the attention? A widened network has at least the parameters and MACs of any arm, a "
        "longer one was trained at least as long, a placebo cannot look at the sample"
    )
    classes = [_class(d.verdict) for d in rows]
    return [page.table(columns, cells, caption=caption, row_classes=classes)]


def _costs(comparison: Comparison, palette: Palette) -> list[Markup]:
    rows = [r for r in comparison.rows() if r["accuracy"] is not None and r["cost"] is not None]
    charts = []
    for key, label in (("latency_ms", "latency of a batch, ms"), ("parameters", "parameters")):
        points = [
            Point(
                r["arm"],
                r["cost"][key],
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


def _curves(comparison: Comparison, palette: Palette) -> list[Markup]:
    series = [
        Series(label, [e["epoch"] for e in r["epochs"]], [100 * e["accuracy"] for e in r["epochs"]])
        for label, seeds in comparison.results.items()
        for r in seeds.values()
        if r["epochs"]
    ]
    if not series:
        return []
    images = "held-out validation" if comparison.grid.get("validation") else "test"
    caption = f"Accuracy on {images} images after each epoch: mean over seeds, thin lines each seed"
    return [page.lines(series, "epoch", "accuracy, %", caption=caption, palette=palette)]


def _attended(comparison: Comparison) -> list[Markup]:
    """Maps of the first finished seed of each mechanism."""
    folder = comparison.folder
    try:
        where = data_folder(folder, comparison.grid["data"]["key"])
        images = Images.load(where, check=False)
    except RegardError as error:
        return [page.element("p", f"The images are not there any more: {error}")]
    found: list[Markup] = []
    for arm in comparison.arms:
        seeds = comparison.results.get(arm.label, {})
        if seeds and arm.mechanism is not None and not arm.placebo:
            seed = min(seeds)
            key = comparison.grid["trials"][arm.label][str(seed)]
            fragments = pictures(folder / "trials" / key, images)
            if fragments:
                found += [page.element("h3", f"{arm.label}, seed {seed}"), *fragments]
    return [Shown.of(images, shown_images(images)).gallery(), *found] if found else []


def _protocol(comparison: Comparison) -> list[Markup | str]:
    grid = comparison.grid
    budget: dict[str, Any] = grid["budget"]
    done, total = comparison.done
    weights = "published weights" if grid["pretrained"] else "from scratch"
    epochs = "1 epoch" if budget["epochs"] == 1 else f"{budget['epochs']} epochs"
    controls = [_size(arm, budget["epochs"]) for arm in comparison.arms if arm.control]
    return [
        page.element("pre", grid["data"]["text"]),
        f"Network: {grid['host']}, {weights}; mechanisms with the start '{grid['start']}'. "
        f"{epochs} of AdamW, batch {budget['batch']}, learning rate up to "
        f"{budget['rate']:g}, weight decay {budget['decay']:g}, on {grid['device']}. {done} of "
        f"{total} trials are finished.",
        "The accuracy is that of the last epoch on test; nothing was chosen on test. One seed "
        "gives all arms the same host weights and the same order of the data. Intervals are "
        "t-intervals of each difference over seeds, uncorrected; verdicts are corrected (Holm) for "
        "the number of mechanisms. The controls are a family of their own, and so is each control "
        "that mechanisms are held against; all placebos together are one. Inference is over "
        "training seeds on this one test set, not over other data.",
        *([f"Controls: {'; '.join(controls)}."] if controls else []),
    ]


def _size(arm: Arm, epochs: int) -> str:
    """How large a control is."""
    if arm.placebo:
        return f"'{arm.label}' squeezes running means instead of the sample"
    if arm.lengthened != 1:
        return f"'{arm.label}' is trained for {arm.epochs(epochs)} epochs instead of {epochs}"
    return f"'{arm.label}' has {arm.width:g} times the channels"


def _class(verdict: str) -> str:
    return _CLASSES.get(verdict, "muted")


def _verdict(verdict: str, delta: float) -> str:
    return verdict.replace("δ", f"{delta:g}")


def _unbroken(cell: str) -> str:
    """A table scrolls rather than break a number."""
    return cell.replace(" ", "\u00a0")


def _within(low: float, high: float) -> tuple[float, float]:
    """An interval in points; a difference of accuracies lies within ±100, infinite stays so."""
    if math.isinf(high):
        return low, high
    return 100 * max(low, -1.0), 100 * min(high, 1.0)


def _percent(value: float | None) -> float:
    """A bound of an interval; an accuracy is not below 0 or above 100 %, whatever t says."""
    return float("nan") if value is None else 100 * min(max(value, 0.0), 1.0)
