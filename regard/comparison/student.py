"""Student's t: the distribution, the interval, the tests and their power, in numpy alone.

Everything works on samples along the last axis, so that thousands of simulated comparisons go
through the same code as a real one. A sample without a usable spread (fewer than two values, or
values that differ by no more than rounding) has an infinite standard error: nothing is concluded.

Sources: Student (1908), Biometrika 6:1; Schuirmann (1987), J. Pharmacokin. Biopharm. 15:657.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import RegardError

Array = NDArray[np.float64]

ROUNDING = 1e-7
"""Standard deviation up to which a sample is called constant. Fractions kept in float32 are rounded
by up to 3e-8; one answer among a million at one of ten seeds makes 3e-7."""

_FAR = 9.0
"""exp(-9² / 2) is 3e-18: beyond nine standard deviations nothing is left to integrate."""


def cdf(t: ArrayLike, df: int) -> Array:
    """P(T ≤ t) for Student's t with ``df`` ≥ 1 degrees of freedom, of the shape of ``t``.

    Far in the lower tail the relative error stays near 1e-13: take ``cdf(-abs(t), df)`` for p.
    """
    _check_df(df)
    value = np.asarray(t, dtype=np.float64)
    tail = np.minimum(_tail(np.arctan2(math.sqrt(df), np.abs(value)), df), 0.5)
    return np.where(value < 0, tail, 1 - tail)


def quantile(p: ArrayLike, df: int) -> Array:
    """The t with ``cdf(t, df) == p`` for 0 < p < 1, by bisection on the logarithm of the angle."""
    _check_df(df)
    value = np.asarray(p, dtype=np.float64)
    if not np.all((value > 0) & (value < 1)):
        raise RegardError(f"quantile of probability {value}; it must lie strictly between 0 and 1")
    side = np.minimum(value, 1 - value)
    low, high = np.full(side.shape, -700.0), np.full(side.shape, math.log(math.pi / 2))
    for _ in range(64):
        middle = (low + high) / 2
        over = _tail(np.exp(middle), df) > side
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return np.sign(value - 0.5) * math.sqrt(df) / np.tan(np.exp((low + high) / 2))


def interval(values: ArrayLike, level: float = 0.05) -> tuple[Array, Array, Array]:
    """Mean of ``values[..., n]`` with its (1 - level) t-interval: mean, low, high, each ``[...]``.

    Without a usable spread the interval is infinite; the mean of no values is NaN.
    """
    mean, error, df = _moments(values)
    known = np.isfinite(error)
    reach = -quantile(level / 2, df) * np.where(known, error, 0.0)
    return mean, np.where(known, mean - reach, -np.inf), np.where(known, mean + reach, np.inf)


def t_test(values: ArrayLike) -> Array:
    """Two-sided p that the mean of ``values[..., n]`` is 0. Without a usable spread it is 1."""
    mean, error, df = _moments(values)
    return np.where(np.isfinite(error), 2 * cdf(-np.abs(mean / error), df), 1.0)


def equivalence_test(values: ArrayLike, delta: float) -> Array:
    """p that the mean of ``values[..., n]`` lies outside ±delta: the larger of two one-sided ones.

    It is under ``level`` exactly where the (1 - 2·level) t-interval lies inside ±delta (TOST).
    Without a usable spread it is 1.
    """
    mean, error, df = _moments(values)
    return np.where(np.isfinite(error), cdf((np.abs(mean) - delta) / error, df), 1.0)


def power(effect_over_sd: float, n: int, level: float) -> float:
    """Chance that the two-sided one-sample t test of ``n`` values at ``level`` rejects.

    Args:
        effect_over_sd: the true mean over the true standard deviation of one value.
        n: number of values, at least 2.
        level: of the test, between 0 and 1.
    """
    _check_df(n - 1)
    critical = -float(quantile(level / 2, n - 1))
    return _rejects(abs(effect_over_sd) * math.sqrt(n), critical, n - 1)


@cache
def detectable(n: int, level: float, chance: float = 0.8) -> float:
    """Smallest true mean, in standard deviations, that n values find with power ``chance``."""
    _check_df(n - 1)
    if not 0 < level < chance < 1:
        raise RegardError(f"level {level} and power {chance}; 0 < level < power < 1 is needed")
    critical, low, high = -float(quantile(level / 2, n - 1)), 0.0, 1.0
    while _rejects(high, critical, n - 1) < chance:
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        found = _rejects(middle, critical, n - 1) >= chance
        low, high = (low, middle) if found else (middle, high)
    return high / math.sqrt(n)


def _moments(values: ArrayLike) -> tuple[Array, Array, int]:
    """Mean, standard error (infinite where there is no usable spread), degrees of freedom."""
    sample = np.asarray(values, dtype=np.float64)
    n = sample.shape[-1]
    mean = sample.mean(axis=-1) if n else np.full(sample.shape[:-1], np.nan)
    if n < 2:
        return mean, np.full(sample.shape[:-1], np.inf), 1
    sd = sample.std(axis=-1, ddof=1)
    return mean, np.where(sd <= ROUNDING, np.inf, sd / math.sqrt(n)), n - 1


def _tail(angle: Array, df: int) -> Array:
    """P(T > √df · cot(angle)) for 0 ≤ angle ≤ π/2: c · ∫₀^angle sin^(df-1).

    The integrand is positive and entire, so that Gauss–Legendre is exact to rounding. Below the
    upper end it falls at least like a Gaussian of variance 1/(df - 1): the rest is left out.
    """
    nodes, weights = _rule()
    low = np.maximum(0.0, angle - _FAR / math.sqrt(max(df - 1, 1)))
    half = (angle - low) / 2
    powers = np.sin(low[..., None] + half[..., None] * (1 + nodes)) ** (df - 1)
    scale = math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2)) / math.sqrt(math.pi)
    return scale * half * (powers @ weights)


def _rejects(shift: float, critical: float, df: int) -> float:
    """P(|Z + shift| > critical · S) for a normal Z and S = χ/√df, integrated over S.

    The panels end where the density of S and the normal probabilities become flat.
    """
    mode = math.sqrt((df - 1) / df)
    low, high = max(0.0, mode - _FAR / math.sqrt(df)), mode + _FAR / math.sqrt(df)
    turns = [(side * shift + far) / critical for side in (-1, 1) for far in (-_FAR, _FAR)]
    edges = np.unique(np.clip([low, *turns, high], low, high))
    nodes, weights = _rule()
    half = np.diff(edges)[:, None] / 2
    s = edges[:-1, None] + half * (1 + nodes)
    constant = math.log(2) + df / 2 * math.log(df / 2) - math.lgamma(df / 2)
    density = np.exp(constant - df * s**2 / 2 + (df - 1) * np.log(s))
    found = _normal(shift - critical * s) + _normal(-shift - critical * s)
    return min(float(np.sum(half * weights * density * found)), 1.0)


def _normal(z: Array) -> Array:
    """The normal distribution function; numpy has no error function of its own."""
    flat = [math.erfc(-value / math.sqrt(2)) / 2 for value in z.ravel()]
    return np.array(flat).reshape(z.shape)


@cache
def _rule() -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(64)
    return nodes, weights


def _check_df(df: int) -> None:
    if df < 1:
        raise RegardError(f"Student's t with {df} degrees of freedom; at least 2 values are needed")
