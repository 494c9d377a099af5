"""Rows and differences of a comparison as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMES = {"exact": "exact match", "bleu": "BLEU", "chrf": "chrF", "f1": "macro F1"}
_WITHOUT_PERCENT = ("bleu", "chrf")


def name_of(measure: str) -> str:
    """How a measure is called: ``accuracy``, ``BLEU``, ``exact match``."""
    return NAMES.get(measure, measure)


def head_of(measure: str) -> tuple[str, ...]:
    """The head of a table of rows."""
    value = f"{name_of(measure)} (trials)"
    return ("arm", value, "difference, points [95%]", "verdict", "params", "MACs", "ms")


def shown_share(value: float, measure: str) -> str:
    """``94.25 %``; BLEU and chrF as they are usually written, ``34.20``."""
    return f"{100 * value:.2f}" + ("" if measure in _WITHOUT_PERCENT else " %")


def shown_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    """A row of a comparison as the text of a table."""
    difference, cost, measure = row["difference"], row["cost"], row["measure"]
    value = row[measure]
    share = "" if value is None else f"{shown_share(value, measure)} ({row['trials']})"
    size, verdict = ("", "") if difference is None or not difference["n"] else shown(difference)
    costs = ("", "", "")
    if cost is not None:
        costs = (
            f"{cost['parameters']:,}",
            f"{cost['macs_per_sample'] / 1e6:.2f} M",
            f"{cost['latency_ms']:.2f}",
        )
    return (row["arm"], share, size, verdict, *costs)


def shown(difference: Mapping[str, Any]) -> tuple[str, str]:
    """Size and verdict of a difference, given as facts, as the text of a table."""
    size = f"{100 * difference['mean']:+.2f}"
    if difference["low"] is not None:
        size += f"  [{100 * difference['low']:+.2f}, {100 * difference['high']:+.2f}]"
    verdict = difference["verdict"].replace("δ", f"{100 * difference['delta']:g}")
    return size.replace("-", "−"), verdict
