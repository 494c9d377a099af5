import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from regard.bench.statistics import LIMIT, Ratio, _rank, ratio


def test_the_ratio_is_that_of_the_rounds_not_of_the_medians():
    assert ratio([1, 10, 3], [2, 5, 1]).median == 2


@pytest.mark.parametrize("level", [0.95, 0.99])
@pytest.mark.parametrize("rounds", [6, 8, 11, 22, 44, 176, 1000])
def test_the_rank_is_the_largest_that_keeps_the_level(rounds, level):
    rank = _rank(rounds, level)
    if rank is None:
        assert 2 * binom.cdf(0, rounds, 0.5) > 1 - level
        return
    assert 2 * binom.cdf(rank, rounds, 0.5) <= 1 - level
    assert 2 * binom.cdf(rank + 1, rounds, 0.5) > 1 - level


def test_fewer_than_six_rounds_have_no_interval():
    assert ratio([1.0] * 5, [1.0] * 5) == Ratio(1.0, 0.0, math.inf)
    assert ratio([1.0] * 6, [1.0] * 6) == Ratio(1.0, 1.0, 1.0)


@pytest.mark.parametrize("rounds", [6, 11, 22])
def test_the_interval_holds_the_true_median_as_often_as_it_says(rounds):
    generator = np.random.default_rng(0)
    other = np.ones(rounds)
    found = [ratio(generator.lognormal(0, 1, rounds).tolist(), other.tolist()) for _ in range(2000)]
    share = np.mean([one.low <= 1 <= one.high for one in found])
    assert share > 0.95 - 4 * math.sqrt(0.05 * 0.95 / 2000)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=40))
def test_the_median_lies_in_its_interval(times):
    found = ratio(times, [1.0] * len(times))
    assert found.low <= found.median <= found.high


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.8, 0.99, "faster"),
        (0.8, 1.0, "no slower"),
        (1.01, LIMIT, "no slower"),
        (0.99, 1.06, "undecided"),
        (1.06, 1.2, "slower"),
        (0.0, math.inf, "undecided"),
    ],
)
def test_no_slower_is_a_matter_of_the_upper_end(low, high, verdict):
    assert Ratio(1.0, low, high).verdict == verdict
