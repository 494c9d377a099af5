"""Student's t against scipy and against simulated samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from regard.comparison import student
from regard.errors import RegardError

DEGREES = [1, 2, 3, 4, 5, 9, 30, 101, 1000]


def band(rate: float, trials: int) -> float:
    """Four standard errors of a rate estimated from this many trials."""
    return 4 * math.sqrt(rate * (1 - rate) / trials)


@pytest.mark.parametrize("df", DEGREES)
def test_cdf_equals_scipy(df: int) -> None:
    t = np.concatenate([-np.logspace(-3, 4, 60), [0.0, -np.inf, np.inf], np.logspace(-3, 4, 60)])
    assert np.allclose(student.cdf(t, df), stats.t.cdf(t, df), rtol=0, atol=1e-12)


@pytest.mark.parametrize("df", DEGREES)
def test_lower_tail_is_relatively_exact(df: int) -> None:
    t = -np.logspace(0, 1.3, 30)
    assert np.allclose(student.cdf(t, df), stats.t.cdf(t, df), rtol=1e-10, atol=1e-300)


@pytest.mark.parametrize("df", DEGREES)
def test_quantile_equals_scipy(df: int) -> None:
    p = np.array([1e-12, 1e-6, 0.01, 0.025, 0.3, 0.5, 0.7, 0.975, 0.9999])
    assert np.allclose(student.quantile(p, df), stats.t.ppf(p, df), rtol=1e-10, atol=1e-10)


def test_cauchy_and_two_degrees_have_closed_forms() -> None:
    t = np.linspace(-20, 20, 81)
    assert np.allclose(student.cdf(t, 1), 0.5 + np.arctan(t) / math.pi, rtol=0, atol=1e-14)
    assert np.allclose(student.cdf(t, 2), 0.5 + t / (2 * np.sqrt(2 + t**2)), rtol=0, atol=1e-14)


@settings(deadline=None)
@given(st.floats(1e-9, 1 - 1e-9), st.integers(1, 60))
def test_quantile_is_the_inverse_of_cdf(p: float, df: int) -> None:
    t = student.quantile(p, df)
    assert float(student.cdf(t, df)) == pytest.approx(p, rel=1e-9)
    assert float(student.quantile(1 - p, df)) == pytest.approx(-float(t), rel=1e-6, abs=1e-9)


def test_shapes_are_kept() -> None:
    assert student.cdf(1.0, 3).shape == ()
    assert student.quantile(np.full((2, 3), 0.4), 3).shape == (2, 3)
    mean, low, high = student.interval(np.zeros((4, 5, 6)) + np.arange(6))
    assert mean.shape == low.shape == high.shape == (4, 5)


@pytest.mark.parametrize("n", [2, 3, 5, 20, 200])
@pytest.mark.parametrize("level", [0.2, 0.05, 0.05 / 6, 1e-4])
def test_power_equals_the_noncentral_t(n: int, level: float) -> None:
    critical = stats.t.isf(level / 2, n - 1)
    for effect in (0.0, 0.1, 0.5, 1.0, 3.0, 20.0):
        shift = effect * math.sqrt(n)
        upper, lower = stats.nct.sf(critical, n - 1, [shift, -shift])
        expected = upper + lower
        assert student.power(effect, n, level) == pytest.approx(expected, abs=1e-9)
        assert student.power(-effect, n, level) == student.power(effect, n, level)


def test_power_of_no_effect_is_the_level() -> None:
    assert student.power(0.0, 5, 0.05) == pytest.approx(0.05, abs=1e-12)
    assert student.power(0.0, 20_000, 0.01) == pytest.approx(0.01, abs=1e-9)


@pytest.mark.parametrize("n", [2, 5, 50])
def test_detectable_has_the_power_it_says(n: int) -> None:
    for level in (0.05, 0.05 / 8):
        effect = student.detectable(n, level)
        assert student.power(effect, n, level) == pytest.approx(0.8, abs=1e-10)
    assert student.detectable(n, 0.01) > student.detectable(n, 0.05)
    assert student.detectable(n, 0.05) > student.detectable(n + 1, 0.05)


def test_t_test_and_interval_equal_scipy() -> None:
    values = np.random.default_rng(1).normal(0.3, 1.0, (50, 7))
    expected = stats.ttest_1samp(values, 0.0, axis=-1)
    assert np.allclose(student.t_test(values), expected.pvalue, rtol=1e-10)
    bounds = expected.confidence_interval(0.9)
    mean, low, high = student.interval(values, 0.1)
    assert np.allclose(mean, values.mean(-1))
    assert np.allclose([low, high], [bounds.low, bounds.high], rtol=1e-10)


def test_equivalence_is_the_inner_interval_and_two_one_sided_tests() -> None:
    values, delta, level = np.random.default_rng(2).normal(0.1, 0.5, (400, 6)), 0.5, 0.05
    p = student.equivalence_test(values, delta)
    above = stats.ttest_1samp(values, -delta, axis=-1, alternative="greater").pvalue
    below = stats.ttest_1samp(values, delta, axis=-1, alternative="less").pvalue
    assert np.allclose(p, np.maximum(above, below), rtol=1e-10)
    _, low, high = student.interval(values, 2 * level)
    inside = (low > -delta) & (high < delta)
    assert np.array_equal(p < level, inside)
    assert 0 < inside.sum() < len(values)


def test_equivalence_test_has_its_size_at_the_edge() -> None:
    trials, level = 40_000, 0.05
    values = np.random.default_rng(3).normal(0.5, 0.1, (trials, 5))
    rate = np.mean(student.equivalence_test(values, 0.5) < level)
    assert abs(rate - level) < band(level, trials)


@pytest.mark.parametrize("n", [2, 5])
def test_interval_covers_what_it_says(n: int) -> None:
    trials, level = 40_000, 0.05
    values = np.random.default_rng(4).normal(0.02, 0.01, (trials, n))
    _, low, high = student.interval(values, level)
    covered = np.mean((low <= 0.02) & (high >= 0.02))
    assert abs(covered - (1 - level)) < band(level, trials)


@pytest.mark.parametrize(
    "values",
    [[], [0.25], [0.0] * 5, [0.01] * 5, [0.91 - 0.90, 0.92 - 0.91, 0.93 - 0.92]],
    ids=["none", "one", "zeros", "equal", "equal-but-for-rounding"],
)
def test_without_spread_nothing_is_concluded(values: list[float]) -> None:
    mean, low, high = student.interval(values)
    assert (low, high) == (-np.inf, np.inf)
    assert np.isnan(mean) if not values else mean == pytest.approx(np.mean(values))
    assert student.t_test(values) == 1
    assert student.equivalence_test(values, 0.5) == 1


def test_spread_is_judged_row_by_row() -> None:
    rows = np.array([[0.01, 0.01, 0.01], [0.01, 0.02, 0.03]])
    _, low, high = student.interval(rows)
    assert np.isinf([low[0], high[0]]).all()
    assert np.isfinite([low[1], high[1]]).all()
    assert student.t_test(rows)[1] == pytest.approx(stats.ttest_1samp(rows[1], 0).pvalue)


def test_one_answer_in_a_million_is_a_spread() -> None:
    assert np.isfinite(student.interval([0.0] * 9 + [1e-6])[2])


def test_float32_rounding_is_not_a_spread() -> None:
    base = np.random.default_rng(5).uniform(0.5, 0.9, 8)
    rounded = np.float32(base + 0.017).astype(np.float64) - np.float32(base)
    assert rounded.std() > 0
    assert np.isinf(student.interval(rounded)[2])


def test_errors_say_what_would_work() -> None:
    with pytest.raises(RegardError, match="at least 2 values"):
        student.cdf(0.0, 0)
    with pytest.raises(RegardError, match="at least 2 values"):
        student.power(1.0, 1, 0.05)
    with pytest.raises(RegardError, match="between 0 and 1"):
        student.quantile([0.5, 1.0], 4)
    with pytest.raises(RegardError, match="level < power"):
        student.detectable(5, 0.9)
