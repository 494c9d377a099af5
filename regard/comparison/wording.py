"""Rows and differences of a comparison as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HEAD = ("arm", "accuracy (trials)", "difference, points [95%]", "verdict", "params", "MACs", "ms")


def shown_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    """A row of a comparison as the text of a table."""
    difference, cost = row["difference"], row["cost"]
    accuracy = "" if row["accuracy"] is None else f"{100 * row['accuracy']:.2f} % ({row['trials']})"
    size, verdict = ("", "") if difference is None or not difference["n"] else shown(difference)
    costs = ("", "", "")
    if cost is not None:
        costs = (
            f"{cost['parameters']:,}",
            f"{cost['macs_per_sample'] / 1e6:.2f} M",
            f"{cost['latency_ms']:.2f}",
        )
    return (row["arm"], accuracy, size, verdict, *costs)


def shown(difference: Mapping[str, Any]) -> tuple[str, str]:
    """Size and verdict of a difference, given as facts, as the text of a table."""
    size = f"{100 * difference['mean']:+.2f}"
    if difference["low"] is not None:
        size += f"  [{100 * difference['low']:+.2f}, {100 * difference['high']:+.2f}]"
    verdict = difference["verdict"].replace("δ", f"{100 * difference['delta']:g}")
    return size.replace("-", "−"), verdict
