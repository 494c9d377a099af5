"""What came of each case, as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

from ..cost import Quartiles
from .case import Case, shown
from .statistics import Ratio

COLUMNS = (
    "part", "mechanism", "host", "shape", "layout", "mode", "along", "rounds", "contender",
    "ms", "ms_lower", "ms_upper", "ratio", "ratio_low", "ratio_high", "verdict",
    "saved_bytes", "peak_bytes", "note",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One contender in one case.

    Args:
        contender: ``ours``, ``plain``, ``compiled``, ``timm``, ``copy`` or ``host``.
        ms: milliseconds, median and quartiles; None where it was not timed.
        ratio: time of ours over this one's; None for ours itself.
        saved_bytes: kept for backward; None without a backward.
        peak_bytes: handed out at once at the highest point of a run.
        note: why it was not timed.
    """

    contender: str
    ms: Quartiles | None = None
    ratio: Ratio | None = None
    saved_bytes: int | None = None
    peak_bytes: int | None = None
    note: str = ""

    def facts(self) -> dict[str, Any]:
        """Plain data; an end of an interval that is not known is None."""
        ms, ratio = self.ms, self.ratio
        return {
            "contender": self.contender,
            "ms": ms and ms.median,
            "ms_lower": ms and ms.lower,
            "ms_upper": ms and ms.upper,
            "ratio": ratio and ratio.median,
            "ratio_low": ratio and (ratio.low or None),
            "ratio_high": ratio.high if ratio and isfinite(ratio.high) else None,
            "verdict": ratio and ratio.verdict,
            "saved_bytes": self.saved_bytes,
            "peak_bytes": self.peak_bytes,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One case: its contenders, and the rounds in which they ran by turns."""

    case: Case
    rounds: int
    entries: tuple[Entry, ...]

    def entry(self, contender: str) -> Entry | None:
        """A contender that was timed; None for one that was not."""
        return next((e for e in self.entries if e.contender == contender and e.ms), None)

    def facts(self) -> dict[str, Any]:
        """Plain data."""
        entries = [entry.facts() for entry in self.entries]
        return {**self.case.facts(), "rounds": self.rounds, "entries": entries}

    def lines(self) -> Iterator[dict[str, Any]]:
        """One line a contender, with the keys of ``COLUMNS``."""
        case = {**self.case.facts(), "shape": shown(self.case.shape).replace("×", "x")}
        for entry in self.entries:
            yield {**case, "rounds": self.rounds, **entry.facts()}


@dataclass(frozen=True, slots=True)
class Wrong:
    """A contender that does not compute what it should, and how one sees it."""

    case: Case
    contender: str
    why: str

    def sentence(self) -> str:
        """In one line."""
        return f"{self.case.label}: {self.contender} is wrong: {self.why}"

    def facts(self) -> dict[str, Any]:
        """Plain data."""
        return {**self.case.facts(), "contender": self.contender, "why": self.why}
