from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regard.errors import RegardError
from regard.page.scale import Axis, brief, linear_axis, log_axis, log_ticks, ticks

bounds = st.floats(-1e300, 1e300)
positive = st.floats(1e-290, 1e290)


@given(bounds, bounds, st.integers(2, 20))
def test_ticks_cover_in_order_and_are_few(one, other, most):
    low, high = sorted((one, other))
    found = ticks(low, high, most)
    step = max(b - a for a, b in pairwise(found))
    assert found[0] <= low + 1e-5 * step
    assert found[-1] >= high - 1e-5 * step
    assert all(a < b for a, b in pairwise(found))
    assert 2 <= len(found) <= most + 1


@given(st.integers(-(10**6), 10**6), st.integers(1, 10**6), st.integers(-6, 6), st.integers(2, 12))
def test_ticks_are_multiples_of_1_2_or_5(start, extent, exponent, most):
    unit = Fraction(10) ** exponent
    found = ticks(float(start * unit), float((start + extent) * unit), most)
    exact = [Fraction(repr(tick)) for tick in found]
    step = exact[1] - exact[0]
    assert {b - a for a, b in pairwise(exact)} == {step}
    assert all(tick % step == 0 for tick in exact)
    assert str(step.numerator * step.denominator).strip("0")[0] in "125"
    assert len(found) >= most / 5


def test_known_ticks():
    assert ticks(0, 1, 5) == (0, 0.2, 0.4, 0.6, 0.8, 1.0)
    assert ticks(0.1 + 0.2, 0.9, 6) == (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    assert ticks(1, 3, 8, whole=True) == (1, 2, 3)
    assert log_ticks(1, 1000, 4) == (1, 10, 100, 1000)
    assert log_ticks(3, 80, 6) == (2, 5, 10, 20, 50, 100)


@pytest.mark.parametrize("value", [0.0, 5.0, -3e-200, 1e300, -1e17, 5e-324])
def test_a_range_without_extent_is_widened(value):
    found = ticks(value, value)
    assert found[0] <= value <= found[-1]
    assert len(found) >= 2


@given(positive, positive, st.integers(2, 12))
def test_log_ticks_cover(one, other, most):
    low, high = sorted((one, other))
    found = log_ticks(low, high, most)
    assert found[0] <= low <= high <= found[-1]
    assert all(0 < a < b for a, b in pairwise(found))
    assert len(found) >= 2


@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=8))
def test_an_axis_places_its_values_in_order_between_its_ends(values):
    axis = linear_axis(values, 400, 30)
    places = [axis(value) for value in sorted(values)]
    assert (axis(axis.ticks[0]), axis(axis.ticks[-1])) == pytest.approx((400, 30))
    assert all(30 - 0.01 <= place <= 400 + 0.01 for place in places)
    assert places == sorted(places, reverse=True)


@given(st.lists(st.floats(-1e18, 1e18), min_size=1, max_size=4))
def test_labels_differ_and_mean_their_ticks(values):
    axis = linear_axis(values, 0, 500)
    labels = axis.labels()
    assert len(set(labels)) == len(axis.ticks)
    step = min(b - a for a, b in pairwise(axis.ticks))
    factor = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
    for label, tick in zip(labels, axis.ticks, strict=True):
        plain = label.replace("\N{MINUS SIGN}", "-")
        number = float(plain.rstrip("kMGT")) * factor.get(plain[-1], 1)
        assert number == pytest.approx(tick, rel=1e-12, abs=0.01 * step)


def test_labels_are_short():
    assert linear_axis([-2e6, 1e6], 0, 300).labels() == ("−2M", "−1M", "0", "1M")
    assert linear_axis([160e3, 380e3], 0, 250).labels() == ("100k", "200k", "300k", "400k")
    assert linear_axis([1e-5, 2e-5], 0, 130).labels() == ("1e−5", "1.5e−5", "2e−5")
    assert [brief(value) for value in (0.0, 1.234, -0.5, 270_000.0, 1e-7, 2e20, 999_600.0)] == [
        *("0", "1.23", "−0.5", "270k", "1e−7", "2e20", "1M")
    ]


def test_a_log_axis_gives_equal_ratios_equal_lengths():
    axis = log_axis([2.0, 1e7], 10, 700)
    assert axis(1e4) - axis(1e2) == pytest.approx(axis(1e6) - axis(1e4))
    assert Axis((1e5, 2e6), 0, 1, log=True).labels() == ("100k", "2M")


def test_what_is_not_finite_is_left_out():
    assert linear_axis([math.nan, math.inf, 3, 4], 0, 300) == linear_axis([3, 4], 0, 300)
    assert linear_axis([math.nan], 0, 300).ticks[0] == 0
    assert log_axis([math.nan], 0, 300).ticks[-1] == 10


@pytest.mark.parametrize(
    "build",
    [
        lambda: ticks(2, 1),
        lambda: ticks(math.nan, 1),
        lambda: ticks(0, math.inf),
        lambda: ticks(0, 1, 1),
        lambda: log_ticks(0, 1),
        lambda: log_axis([-1.0, 5.0], 0, 100),
    ],
)
def test_refusals(build):
    with pytest.raises(RegardError):
        build()
