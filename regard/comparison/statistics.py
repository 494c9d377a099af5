"""What may be said of a result table: an arm helps, hurts, does no more than ±δ, or is undecided.

Accuracies are fractions, 0 to 1, and so are all numbers here; only sentences speak of points
(1 point = 0.01). Arms are paired by seed: one seed is one set of host weights and one data order.
The inference is over training seeds on one test set, not over test sets.

**What is promised**, if differences are normal over seeds: the chance that *any* arm without a
difference is said to help or hurt is at most ``level``, and so is the chance that *any* "no more
than ±δ" is false. Holm over all m arms, finished or not, gives both, although the arms share a
baseline. Equivalence is acted on (the arm is dropped); uncorrected it would err at up to m·level.

**Without spread** (one seed, or one and the same difference at every seed) there is no standard
error, and an interval of width 0 would be certainty out of nothing. So the interval is infinite,
p is 1 and the verdict undecided, even where every difference is 0; the sentence says why.

Sources: Holm (1979), Scand. J. Statist. 6:65; Schuirmann (1987), J. Pharmacokin. Biopharm. 15:657.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import RegardError, nearest
from . import student

Verdict = Literal["helps", "hurts", "no more than ±δ", "undecided"]
Table = Mapping[str, Mapping[int, float]]


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


def paired_differences(
    accuracies: Table, baseline: str = "none", level: float = 0.05, delta: float = 0.005
) -> tuple[Difference, ...]:
    """Every other arm against the baseline, paired by seed, in the order of the mapping.

    Args:
        accuracies: arm → seed → test accuracy, a fraction; a seed that one of a pair lacks is out.
        baseline: the arm to subtract.
        level: the chance of error of each kind of claim in the whole comparison.
        delta: the largest difference that does not matter, a fraction; half a point by default.

    Raises:
        RegardError: no such baseline, an accuracy that is no fraction, level or delta out of range.
    """
    _check(accuracies, baseline, level, delta)
    pairs = {a: _subtract(accuracies[a], accuracies[baseline]) for a in accuracies if a != baseline}
    p = [float(student.t_test(pair)) for pair in pairs.values()]
    p_holm = holm(p).tolist()
    p_equivalent = holm([student.equivalence_test(x, delta) for x in pairs.values()]).tolist()
    size = np.array([student.interval(pair, level) for pair in pairs.values()]).reshape(-1, 3)
    mean, low, high = size.T.tolist()
    verdict = decide(mean, p_holm, p_equivalent, level).tolist()
    return tuple(
        Difference(
            arm=arm,
            baseline=baseline,
            n=len(pair),
            mean=mean[i],
            low=low[i],
            high=high[i],
            p=p[i],
            p_holm=p_holm[i],
            p_equivalent=p_equivalent[i],
            detectable=_detectable(pair, level / len(pairs)),
            verdict=verdict[i],
            level=level,
            delta=delta,
        )
        for i, (arm, pair) in enumerate(pairs.items())
    )


def against(
    accuracies: Table,
    control: str,
    baseline: str = "none",
    level: float = 0.05,
    delta: float = 0.005,
) -> tuple[Difference, ...]:
    """Every mechanism against a control arm, such as the plain network widened to equal cost.

    As `paired_differences` from the control, the plain network left out; leave other controls out
    of the mapping. Helping against both is one claim that needs both tests: no more to correct.
    """
    kept = {arm: seeds for arm, seeds in accuracies.items() if arm == control or arm != baseline}
    return paired_differences(kept, control, level, delta)


def summary(values: Iterable[float], level: float = 0.05) -> tuple[float, float, float]:
    """Mean, low, high of one arm over seeds: a t-interval, infinite where all values are equal."""
    sample = [float(value) for value in values]
    if not sample or not all(map(math.isfinite, sample)):
        raise RegardError(f"summary of {sample}; one finite accuracy a seed is needed")
    mean, low, high = student.interval(sample, level)
    return float(mean), float(low), float(high)


def headline(differences: Sequence[Difference], controlled: Sequence[Difference] = ()) -> str:
    """The whole comparison in one sentence: what helps, what hurts, what stays open.

    With differences ``controlled``, from `against` one or several controls, what helps is said to
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


def holm(p: ArrayLike) -> student.Array:
    """Holm's adjusted p of each of the m tests in ``p[..., m]``; the order is kept."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, axis=-1, kind="stable")
    steps = np.take_along_axis(values, order, axis=-1) * np.arange(values.shape[-1], 0, -1)
    adjusted = np.minimum(np.maximum.accumulate(steps, axis=-1), 1.0)
    return np.take_along_axis(adjusted, np.argsort(order, axis=-1), axis=-1)


def decide(mean: ArrayLike, p: ArrayLike, p_outside: ArrayLike, level: float) -> NDArray[np.str_]:
    """The `Verdict` of each difference, elementwise; both p are adjusted already."""
    found, sign = np.asarray(p) < level, np.sign(mean)
    claims = [found & (sign > 0), found & (sign < 0), np.asarray(p_outside) < level]
    return np.select(claims, ["helps", "hurts", "no more than ±δ"], "undecided")


def _detectable(pair: student.Array, level: float) -> float:
    known = np.isfinite(student.interval(pair)[2])
    return float(pair.std(ddof=1)) * student.detectable(len(pair), level) if known else math.inf


def _subtract(arm: Mapping[int, float], baseline: Mapping[int, float]) -> student.Array:
    seeds = sorted(arm.keys() & baseline.keys())
    return np.array([float(arm[seed]) - float(baseline[seed]) for seed in seeds])


def _check(accuracies: Table, baseline: str, level: float, delta: float) -> None:
    if baseline not in accuracies:
        raise RegardError(f"no arm is called {baseline!r}{nearest(baseline, accuracies)}")
    if not (0 < level < 0.5 and 0 < delta < 1):
        raise RegardError(f"level {level}, delta {delta}; needed: 0 < level < 0.5, 0 < delta < 1")
    for arm, seeds in accuracies.items():
        for seed, accuracy in seeds.items():
            if not 0 <= accuracy <= 1:
                raise RegardError(f"arm {arm!r}, seed {seed}: {accuracy} is no fraction, 0 to 1")


def _helping(row: Difference, controlled: Sequence[Difference]) -> str:
    mine = [other for other in controlled if other.arm == row.arm]
    beaten = " and ".join(repr(o.baseline) for o in mine if o.verdict == "helps")
    open_ = " or ".join(repr(o.baseline) for o in mine if o.verdict != "helps")
    beats = f", and beats {beaten}" if beaten else ""
    return f"{row.sentence()}{beats}" + (f", but is not shown to beat {open_}" if open_ else "")


def _seeds(rows: Sequence[Difference], word: str = "seed") -> str:
    fewest, most = min(row.n for row in rows), max(row.n for row in rows)
    count = f"{most}" if fewest == most else f"{fewest} to {most}"
    return f"{count} {word}{'' if count == '1' else 's'}"


def _points(fraction: float, digits: int) -> str:
    """``+0.4`` or ``−0.4`` points, never ``−0.0``."""
    return f"{round(100 * fraction, digits) + 0.0:+.{digits}f}".replace("-", "−")
