"""A difference between two arms, its verdict, and what may be said of it in words.

Numbers are fractions; only sentences speak of points (1 point = 0.01).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["helps", "hurts", "no more than ±δ", "undecided"]
_AGAINST: Mapping[Verdict, str] = {
    "helps": "and beats",
    "hurts": "but is worse than",
    "no more than ±δ": "but does no more than",
    "undecided": "but is not shown to beat",
}
"""How a mechanism that helps stands against a control, by the verdict of their difference."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One arm against the baseline, over the ``n`` seeds that both have. Numbers are fractions.

    Args:
        mean: of accuracy(arm) - accuracy(baseline); NaN where n is 0.
        low, high: the (1 - level) t-interval of this difference alone, not corrected.
        p: of the two-sided paired t test.
        p_holm: p after Holm over all differences of the comparison.
        p_equivalent: p against "the true difference is ±delta or more", after Holm likewise.
        detectable: the smallest true difference found with 80% power at the strictest level of
            Holm (level / m), at this n and the observed spread.
        verdict: ``helps`` or ``hurts`` where p_holm < level; else ``no more than ±δ`` where
            p_equivalent < level; else ``undecided``.
    """

    arm: str
    baseline: str
    n: int
    mean: float
    low: float
    high: float
    p: float
    p_holm: float
    p_equivalent: float
    detectable: float
    verdict: Verdict
    level: float
    delta: float

    def size(self) -> str:
        """``+3.6 points (95% interval +3.1 to +4.1)``: the width is shown to two digits."""
        if math.isinf(self.high):
            return f"{_points(self.mean, 2)} points, no interval" if self.n else "no pair of seeds"
        mean, low, high = (_points(x, self._digits()) for x in (self.mean, self.low, self.high))
        return f"{mean} points ({100 * (1 - self.level):g}% interval {low} to {high})"

    def sentence(self) -> str:
        """The verdict in words, with the size of the difference or of what would be missed."""
        if self.verdict == "undecided":
            return f"{self.arm}: undecided at {_seeds([self])}; {self._doubt()}"
        if self.verdict == "no more than ±δ":
            return f"{self.arm} changes no more than ±{100 * self.delta:g} points: {self.size()}"
        small = self.p_equivalent < self.level
        though = f", though by no more than {100 * self.delta:g} points" if small else ""
        return f"{self.arm} {self.verdict}{though}: {self.size()}"

    def missed(self) -> str:
        """``differences under 1.9 points would often be missed``: in one of five trials or more."""
        if self.detectable >= 1:
            return "differences of any size would often be missed"
        least = f"{100 * self.detectable:.{self._digits()}f}"
        return f"differences under {least} points would often be missed"

    def facts(self) -> dict[str, str | int | float | None]:
        """The fields as plain data for JSON; infinite numbers and NaN become None."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        odd = {k for k, v in values.items() if isinstance(v, float) and not math.isfinite(v)}
        return {name: None if name in odd else value for name, value in values.items()}

    def _doubt(self) -> str:
        if self.n < 2:
            return f"an interval needs two seeds in common with {self.baseline}"
        if math.isinf(self.high):
            return f"{_points(self.mean, 2)} points at every seed, and without spread no interval"
        low, high = _points(self.low, self._digits()), _points(self.high, self._digits())
        between = f"the difference is between {low} and {high} points"
        alone = " (alone it would pass; among so many arms it may be chance)"
        return f"{between}{alone if self.p < self.level else ''}; with this spread, {self.missed()}"

    def _digits(self) -> int:
        width = 100 * (self.high - self.low)
        return min(max(1 - math.floor(math.log10(width)), 1), 4) if 0 < width < math.inf else 1


def headline(differences: Sequence[Difference], controlled: Sequence[Difference] = ()) -> str:
    """The whole comparison in one sentence: what helps, what hurts, what stays open.

    With differences ``controlled``, from one or several controls, what helps is said to
    beat each control or not, and the controls are not listed among the mechanisms.
    """
    controls = {row.baseline for row in controlled}
    rows = [row for row in differences if row.arm not in controls]
    if not rows:
        return "No mechanism was compared."
    parts = [_helping(row, controlled) for row in rows if row.verdict == "helps"]
    parts = parts or ["No mechanism is shown to help"]
    parts += [row.sentence() for row in rows if row.verdict == "hurts"]
    if undecided := [row for row in rows if row.verdict == "undecided"]:
        known = [row for row in undecided if math.isfinite(row.detectable)]
        missed = f" ({max(known, key=lambda row: row.detectable).missed()})" if known else ""
        parts.append(f"undecided: {', '.join(row.arm for row in undecided)}{missed}")
    if equal := [row.arm for row in rows if row.verdict == "no more than ±δ"]:
        parts.append(f"no more than ±{100 * rows[0].delta:g} points: {', '.join(equal)}")
    where = f"over {_seeds(rows, 'training seed')} on this one test set"
    return f"{'; '.join(parts)}; all against {rows[0].baseline}, {where}."


def _helping(row: Difference, controlled: Sequence[Difference]) -> str:
    """What helps, and how it stands against each control."""
    found = row.sentence()
    for verdict, words in _AGAINST.items():
        mine = [o for o in controlled if o.arm == row.arm and o.verdict == verdict]
        if mine:
            within = f" (±{100 * row.delta:g} points)" if verdict == "no more than ±δ" else ""
            found += f", {words} {' and '.join(repr(o.baseline) for o in mine)}{within}"
    return found


def _seeds(rows: Sequence[Difference], word: str = "seed") -> str:
    fewest, most = min(row.n for row in rows), max(row.n for row in rows)
    count = f"{most}" if fewest == most else f"{fewest} to {most}"
    return f"{count} {word}{'' if count == '1' else 's'}"


def _points(fraction: float, digits: int) -> str:
    """``+0.4`` or ``−0.4`` points, never ``−0.0``, and within ±100 as differences are."""
    points = round(100 * max(-1.0, min(1.0, fraction)), digits)
    return f"{points + 0.0:+.{digits}f}".replace("-", "−")
