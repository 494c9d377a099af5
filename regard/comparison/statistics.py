"""What may be said of a result table: an arm helps, hurts, does no more than ±δ, or is undecided.

Accuracies are fractions, 0 to 1, and so are all numbers here; only sentences speak of points
(1 point = 0.01). Arms are paired by seed: one seed is one set of host weights and one data order.
The inference is over training seeds on one test set, not over test sets.

**What is promised**, if differences are normal over seeds: the chance that *any* arm without a
difference is said to help or hurt is at most ``level``, and so is the chance that *any* "no more
than ±δ" is false. Holm over all m arms, finished or not, gives both, although the arms share a
baseline. Equivalence is acted on (the arm is dropped); uncorrected it would err at up to m·level.

**Without spread** there is no standard error, and an interval of width 0 would be certainty out of
nothing. A share of N answers moves in steps of 1/N, so differences over seeds that lie closer
together than that are taken to have a standard deviation of one step: it makes every claim
weaker, never stronger. Where no step is known, or of one seed, the interval is infinite, p is 1 and
the verdict undecided; the sentence says why.

Sources: Holm (1979), Scand. J. Statist. 6:65; Schuirmann (1987), J. Pharmacokin. Biopharm. 15:657.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import RegardError, nearest
from . import student
from .verdict import Difference

Table = Mapping[str, Mapping[int, float]]


def paired_differences(
    accuracies: Table,
    baseline: str = "none",
    level: float = 0.05,
    delta: float = 0.005,
    step: float = 0.0,
) -> tuple[Difference, ...]:
    """Every other arm against the baseline, paired by seed, in the order of the mapping.

    Args:
        accuracies: arm → seed → test accuracy, a fraction; a seed that one of a pair lacks is out.
        baseline: the arm to subtract.
        level: the chance of error of each kind of claim in the whole comparison.
        delta: the largest difference that does not matter, a fraction; half a point by default.
        step: by which accuracies move, one over the number of answers; 0 where it is not known.

    Raises:
        RegardError: no such baseline, an accuracy that is no fraction, level, delta or step out of
            range.
    """
    _check(accuracies, [baseline], level, delta, step)
    pairs = [(arm, baseline) for arm in accuracies if arm != baseline]
    return differences_of(accuracies, pairs, level, delta, step)


def differences_of(
    accuracies: Table,
    pairs: Sequence[tuple[str, str]],
    level: float = 0.05,
    delta: float = 0.005,
    step: float = 0.0,
) -> tuple[Difference, ...]:
    """Arms against baselines of their own, paired by seed, as one family of claims.

    Args:
        accuracies: as of `paired_differences`.
        pairs: arm and its baseline.
        level: as of `paired_differences`, over all pairs.
        delta, step: as of `paired_differences`.

    Raises:
        RegardError: as of `paired_differences`.
    """
    _check(accuracies, [name for pair in pairs for name in pair], level, delta, step)
    found = [_subtract(accuracies[arm], accuracies[baseline], step) for arm, baseline in pairs]
    p = [float(student.t_test(pair)) for pair in found]
    p_holm = holm(p).tolist()
    p_equivalent = holm([student.equivalence_test(x, delta) for x in found]).tolist()
    size = np.array([student.interval(pair, level) for pair in found]).reshape(-1, 3)
    mean, low, high = size.T.tolist()
    verdict = decide(mean, p_holm, p_equivalent, level).tolist()
    return tuple(
        Difference(
            arm=arm,
            baseline=baseline,
            n=len(found[i]),
            mean=mean[i],
            low=low[i],
            high=high[i],
            p=p[i],
            p_holm=p_holm[i],
            p_equivalent=p_equivalent[i],
            detectable=_detectable(found[i], level / len(pairs)),
            verdict=verdict[i],
            level=level,
            delta=delta,
        )
        for i, (arm, baseline) in enumerate(pairs)
    )


def summary(values: Iterable[float], level: float = 0.05) -> tuple[float, float, float]:
    """Mean, low, high of one arm over seeds: a t-interval, infinite where all values are equal."""
    sample = [float(value) for value in values]
    if not sample or not all(map(math.isfinite, sample)):
        raise RegardError(f"summary of {sample}; one finite accuracy a seed is needed")
    mean, low, high = student.interval(sample, level)
    return float(mean), float(low), float(high)


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


def _subtract(
    arm: Mapping[int, float], baseline: Mapping[int, float], step: float
) -> student.Array:
    seeds = sorted(arm.keys() & baseline.keys())
    return _apart(np.array([float(arm[seed]) - float(baseline[seed]) for seed in seeds]), step)


def _apart(sample: student.Array, step: float) -> student.Array:
    """The sample, or one with its mean and a standard deviation of a step, if it has less."""
    if len(sample) < 2 or sample.std(ddof=1) >= step:
        return sample
    places = np.linspace(-1, 1, len(sample))
    return sample.mean() + step * places / places.std(ddof=1)


def _check(
    accuracies: Table, names: Iterable[str], level: float, delta: float, step: float
) -> None:
    for name in names:
        if name not in accuracies:
            raise RegardError(f"no arm is called {name!r}{nearest(name, accuracies)}")
    if not (0 < level < 0.5 and 0 < delta < 1):
        raise RegardError(f"level {level}, delta {delta}; needed: 0 < level < 0.5, 0 < delta < 1")
    if not 0 <= step <= 1:
        raise RegardError(f"step {step}; needed: 0 ≤ step ≤ 1, one over the number of answers")
    for arm, seeds in accuracies.items():
        for seed, accuracy in seeds.items():
            if not 0 <= accuracy <= 1:
                raise RegardError(f"arm {arm!r}, seed {seed}: {accuracy} is no fraction, 0 to 1")
