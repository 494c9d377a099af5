"""Findings as rows of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from math import isfinite, log

from ..cost.measuring import scaled
from ..page.tables import NOTHING
from .case import Case, shown
from .findings import Entry, Row
from .statistics import Ratio, Verdict

OTHERS = ("host", "plain", "compiled", "timm", "copy")
RATIOS = (
    "ratios are the time of ours over the other's: the median of the rounds' own ratios and, in "
    "brackets, the order statistics that hold the true median with 95 %"
)
_VERDICTS: tuple[Verdict, ...] = ("faster", "no slower", "slower", "undecided")
Table = list[tuple[str, ...]]


def times(rows: Sequence[Row]) -> Table:
    """A head and a line a case: milliseconds of ours, and its ratio to each other contender."""
    others = _present(rows)
    head = ("mechanism", "shape", "layout", "mode", "ours, ms", *(f"/ {n}" for n in others))
    lines = [
        (*named(row.case), _ms(row.entry("ours")), *(_ratio_to(row, n) for n in others))
        for row in rows
    ]
    return [head, *lines] if lines else []


def memory(rows: Sequence[Row]) -> Table:
    """A head and a line a training: bytes kept for backward, and at the highest point."""
    rows = [row for row in rows if row.case.training]
    names = [n for n in ("ours", *_present(rows)) if n != "copy"]
    lines = [(*named(row.case), *(_bytes(row.entry(name)) for name in names)) for row in rows]
    return [("mechanism", "shape", "layout", "mode", *names), *lines] if lines else []


def growth(rows: Sequence[Row]) -> Table:
    """A head and a line for each thing that grows: times, and the power of the last step."""
    lines = []
    for (mechanism, mode, along), group in series_of(rows):
        sizes = [row.case.grown for row in group]
        first, last = shown(group[0].case.shape), shown(group[-1].case.shape)
        cells = [cell for name in ("ours", "plain", "timm") for cell in _grown(name, sizes, group)]
        lines.append((mechanism, mode, along, f"{first} to {last}", *cells))
    head = ("mechanism", "mode", "grows", "from to", "ours, ms", "power", "plain, ms", "power")
    return [(*head, "timm, ms", "power"), *lines] if lines else []


def series_of(rows: Iterable[Row]) -> Iterator[tuple[tuple[str, str, str], list[Row]]]:
    """(mechanism, mode, what grows), and its cases from small to large."""
    for key, group in groupby(rows, lambda r: (r.case.mechanism, r.case.mode, r.case.along)):
        yield key, list(group)


def summary(rows: Sequence[Row]) -> list[str]:
    """For each other contender, how often ours is faster, no slower, slower, undecided."""
    lines = []
    for name in _present(rows):
        ratios = [e.ratio for r in rows if (e := r.entry(name)) is not None and e.ratio]
        counts = Counter(ratio.verdict for ratio in ratios)
        said = ", ".join(f"{counts[v]} {v}" for v in _VERDICTS if counts[v])
        lines.append(f"ours against {name}: {said} (of {len(ratios)})")
    return lines


def notes(rows: Sequence[Row]) -> list[str]:
    """Why contenders were not timed, each reason once."""
    found: dict[str, set[str]] = {}
    for row in rows:
        for entry in row.entries:
            if entry.note:
                found.setdefault(f"{entry.contender} not timed: {entry.note}", set()).add(
                    row.case.mechanism
                )
    return [f"{text} ({', '.join(sorted(names))})" for text, names in found.items()]


def named(case: Case) -> tuple[str, str, str, str]:
    """Mechanism (and host), shape, layout and mode."""
    mechanism = f"{case.mechanism} in {case.host}" if case.host else case.mechanism
    return mechanism, shown(case.shape), case.layout, case.mode


def ratio_text(ratio: Ratio) -> str:
    """``0.31 [0.29, 0.33]``; without the interval where there are too few rounds for one."""
    if not isfinite(ratio.high):
        return f"{ratio.median:.3g}"
    return f"{ratio.median:.3g} [{ratio.low:.3g}, {ratio.high:.3g}]"


def _present(rows: Sequence[Row]) -> list[str]:
    """The other contenders that were timed at least once, in a fixed order."""
    return [name for name in OTHERS if any(row.entry(name) for row in rows)]


def _ratio_to(row: Row, name: str) -> str:
    entry = row.entry(name)
    return ratio_text(entry.ratio) if entry and entry.ratio else NOTHING


def _ms(entry: Entry | None) -> str:
    return f"{entry.ms.median:.3g}" if entry and entry.ms else NOTHING


def _bytes(entry: Entry | None) -> str:
    if entry is None or entry.peak_bytes is None:
        return NOTHING
    kept = NOTHING if entry.saved_bytes is None else f"{scaled(entry.saved_bytes)}B"
    return f"{kept} / {scaled(entry.peak_bytes)}B"


def _grown(name: str, sizes: Sequence[int], group: Sequence[Row]) -> tuple[str, str]:
    """Times from small to large, and the power of the size by which the last step grew."""
    entries = [row.entry(name) for row in group]
    medians = [entry.ms.median for entry in entries if entry and entry.ms]
    if len(medians) < len(sizes) or len(sizes) < 2:
        return NOTHING, NOTHING
    power = log(medians[-1] / medians[-2]) / log(sizes[-1] / sizes[-2])
    return " ".join(f"{value:.3g}" for value in medians), f"{power:.2f}"
