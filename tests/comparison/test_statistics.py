"""The promises of the statistics, kept in simulation; and their equalities with scipy."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from regard.comparison import student
from regard.comparison.statistics import (
    decide,
    differences_of,
    holm,
    paired_differences,
    summary,
)
from regard.comparison.verdict import headline
from regard.errors import RegardError

LEVEL, DELTA, ARMS, SEEDS = 0.05, 0.005, 6, 5
TRIALS = 10_000
EQUIVALENT = "no more than ±δ"


def band(rate: float, trials: int = TRIALS) -> float:
    """Four standard errors of a rate estimated from this many trials."""
    return 4 * math.sqrt(rate * (1 - rate) / trials)


def simulate(true: list[float], sd: float, seed: int, trials: int = TRIALS) -> np.ndarray:
    """Differences [trials, arms, SEEDS]: seeds move all arms, and all arms share one baseline."""
    rng = np.random.default_rng(seed)
    seeds = 0.8 + 0.02 * rng.normal(size=(trials, 1, SEEDS))
    baseline = seeds + sd * rng.normal(size=(trials, 1, SEEDS))
    arms = seeds + np.array(true)[:, None] + sd * rng.normal(size=(trials, len(true), SEEDS))
    return arms - baseline


def judge(pairs: np.ndarray, delta: float = DELTA) -> tuple[np.ndarray, np.ndarray]:
    """Verdicts [trials, arms], and the corrected equivalence p behind them."""
    p_equivalent = holm(student.equivalence_test(pairs, delta))
    return decide(pairs.mean(-1), holm(student.t_test(pairs)), p_equivalent, LEVEL), p_equivalent


def table(pairs: np.ndarray, base: np.ndarray | None = None) -> dict[str, dict[int, float]]:
    """A result table whose differences are ``pairs[arms, seeds]``."""
    seeds = range(pairs.shape[1])
    base = np.full(pairs.shape[1], 0.5) if base is None else base
    named = {f"arm{i}": dict(zip(seeds, base + row, strict=True)) for i, row in enumerate(pairs)}
    return {"none": dict(zip(seeds, base, strict=True)), **named}


@pytest.fixture(scope="module")
def null() -> np.ndarray:
    return simulate([0.0] * ARMS, sd=0.004, seed=0)


def test_intervals_of_the_difference_cover_95_percent(null: np.ndarray) -> None:
    _, low, high = student.interval(null, LEVEL)
    for covered in ((low < 0) & (high > 0)).mean(axis=0):
        assert abs(covered - 0.95) < band(0.95)


def test_family_error_of_helps_and_hurts_under_the_global_null(null: np.ndarray) -> None:
    verdicts, _ = judge(null)
    wrong = np.isin(verdicts, ["helps", "hurts"]).any(axis=1).mean()
    assert wrong <= LEVEL + band(LEVEL)
    assert (student.t_test(null) < LEVEL).any(axis=1).mean() > 2 * LEVEL  # uncorrected


def test_family_error_of_helps_and_hurts_beside_true_effects() -> None:
    verdicts, _ = judge(simulate([0.0] * 3 + [0.03, -0.03, 0.03], sd=0.003, seed=1))
    wrong = np.isin(verdicts[:, :3], ["helps", "hurts"]).any(axis=1).mean()
    assert wrong <= LEVEL + band(LEVEL)


@pytest.mark.parametrize("sd", [0.0005, 0.001, 0.0015, 0.003])
def test_family_error_of_equivalence_when_every_arm_is_at_delta(sd: float) -> None:
    pairs = simulate([DELTA] * 3 + [-DELTA] * 3, sd, seed=2)
    verdicts, p_equivalent = judge(pairs)
    assert (verdicts == EQUIVALENT).any(axis=1).mean() <= LEVEL + band(LEVEL)
    assert (p_equivalent < LEVEL).any(axis=1).mean() <= LEVEL + band(LEVEL)


def test_equivalence_without_correction_would_break_the_promise() -> None:
    pairs = simulate([DELTA] * 3 + [-DELTA] * 3, 0.0005, seed=3)
    assert (student.equivalence_test(pairs, DELTA) < LEVEL).any(axis=1).mean() > 2 * LEVEL


def test_each_kind_of_claim_keeps_its_level_in_a_mixed_table() -> None:
    verdicts, _ = judge(simulate([0.0] * 3 + [DELTA] * 3, sd=0.001, seed=4))
    found = np.isin(verdicts[:, :3], ["helps", "hurts"]).any(axis=1)
    missed = (verdicts[:, 3:] == EQUIVALENT).any(axis=1)
    assert found.mean() <= LEVEL + band(LEVEL)
    assert missed.mean() <= LEVEL + band(LEVEL)
    assert (verdicts[:, :3] == EQUIVALENT).mean() > 0.5  # what is equal is also found to be


def test_one_arm_at_delta_is_called_equivalent_at_most_at_the_level() -> None:
    for sd in (0.0005, 0.001, 0.0015, 0.003):
        verdicts, _ = judge(simulate([DELTA], sd, seed=5))
        assert (verdicts == EQUIVALENT).mean() <= LEVEL + band(LEVEL)


@pytest.mark.parametrize("arms", [1, ARMS])
def test_the_detectable_difference_is_found_four_times_in_five(arms: int) -> None:
    sd = 0.003
    true = sd * math.sqrt(2) * student.detectable(SEEDS, LEVEL / arms)
    pairs = simulate([true] + [0.0] * (arms - 1), sd, seed=6)
    assert abs((student.t_test(pairs[:, 0]) < LEVEL / arms).mean() - 0.8) < band(0.8)
    assert (judge(pairs)[0][:, 0] == "helps").mean() >= 0.8 - band(0.8)


def test_the_table_and_the_arrays_agree() -> None:
    shifts = [0.0, 0.02, -0.02, 0.0005, 0.004, 0.0]
    pairs = simulate(shifts, sd=0.001, seed=7, trials=1)[0]
    rows = paired_differences(table(pairs))
    verdicts, p_equivalent = judge(pairs)
    assert [row.verdict for row in rows] == verdicts.tolist()
    assert {"helps", "hurts", EQUIVALENT} <= set(verdicts)
    assert np.allclose([row.p_equivalent for row in rows], p_equivalent)
    for row, pair in zip(rows, pairs, strict=True):
        effect = student.detectable(SEEDS, LEVEL / ARMS)
        assert row.detectable == pytest.approx(effect * pair.std(ddof=1))


def test_p_and_interval_equal_the_paired_t_test_of_scipy() -> None:
    rng = np.random.default_rng(8)
    none, se = rng.uniform(0.6, 0.9, (2, 9))
    (row,) = paired_differences({"none": dict(enumerate(none)), "se": dict(enumerate(se))})
    expected = stats.ttest_rel(se, none)
    bounds = expected.confidence_interval(0.95)
    assert row.p == row.p_holm == pytest.approx(expected.pvalue, rel=1e-10)
    assert (row.low, row.high) == pytest.approx((bounds.low, bounds.high), rel=1e-10)
    one = stats.ttest_1samp(se, 0).confidence_interval(0.95)
    assert summary(se) == pytest.approx((se.mean(), one.low, one.high), rel=1e-10)


def test_holm_of_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@settings(deadline=None)
@given(arrays(np.float64, st.integers(1, 8), elements=st.floats(0, 1)), st.randoms())
def test_holm_is_monotone_above_p_and_blind_to_order(p: np.ndarray, random: object) -> None:
    adjusted, order = holm(p), list(range(len(p)))
    random.shuffle(order)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(1, len(p) * p) * (1 + 1e-12)).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()
    assert np.array_equal(holm(p[order]), adjusted[order])


@settings(deadline=None, max_examples=40)
@given(arrays(np.float64, (3, 5), elements=st.floats(0, 1)), st.floats(0.02, 0.3))
def test_shifts_and_order_of_seeds(values: np.ndarray, shift: float) -> None:
    pairs = np.round(values, 3) * 0.3 - 0.15
    before = paired_differences(table(pairs))
    lifted = paired_differences(table(pairs, base=np.full(5, 0.5 + shift)))
    for row, other in zip(before, lifted, strict=True):
        assert other.mean == pytest.approx(row.mean, abs=1e-12)
        assert other.p_holm == pytest.approx(row.p_holm, rel=1e-6, abs=1e-12)
        assert other.verdict == row.verdict
    moved = paired_differences(table(pairs + np.array([[shift], [0], [0]])))
    assert moved[0].mean - before[0].mean == pytest.approx(shift)
    assert moved[0].high - moved[0].low == pytest.approx(before[0].high - before[0].low)
    assert moved[1].mean == before[1].mean
    named = {arm: {8 * seed: x for seed, x in row.items()} for arm, row in table(pairs).items()}
    mixed = {arm: dict(sorted(row.items(), reverse=True)) for arm, row in named.items()}
    assert paired_differences(mixed) == paired_differences(named) == before


def test_a_seed_effect_common_to_all_arms_cancels() -> None:
    pairs = simulate([0.01, 0.0], sd=0.002, seed=9, trials=1)[0]
    still = paired_differences(table(pairs))
    base = np.array([0.2, 0.9, 0.5, 0.7, 0.4])
    for row, other in zip(still, paired_differences(table(pairs, base)), strict=True):
        assert other.p == pytest.approx(row.p, rel=1e-9)


def test_only_common_seeds_are_paired() -> None:
    rows = paired_differences(
        {
            "none": {0: 0.80, 1: 0.82, 2: 0.81},
            "se": {1: 0.83, 2: 0.83, 9: 0.10},
            "one": {2: 0.9},
            "new": {7: 0.9},
        }
    )
    assert [row.n for row in rows] == [2, 1, 0]
    assert [round(row.mean, 6) for row in rows[:2]] == [0.015, 0.09]
    assert math.isnan(rows[2].mean)
    for row in rows[1:]:
        assert (row.verdict, row.p, row.low, row.high) == ("undecided", 1, -math.inf, math.inf)
        assert "two seeds in common with none" in row.sentence()
        assert "nan" not in row.sentence() + row.size() + headline(rows)
    facts = json.loads(json.dumps(rows[2].facts(), allow_nan=False))
    assert (facts["arm"], facts["n"], facts["mean"], facts["high"]) == ("new", 0, None, None)


@pytest.mark.parametrize("constant", [0.0, 0.01, -0.3])
def test_equal_differences_decide_nothing_and_say_so(constant: float) -> None:
    base = np.array([0.61, 0.62, 0.635, 0.64, 0.7])
    (row,) = paired_differences(table(np.full((1, 5), constant), base))
    assert (row.verdict, row.p, row.low, row.high) == ("undecided", 1, -math.inf, math.inf)
    assert row.mean == pytest.approx(constant)
    assert "at every seed, and without spread no interval" in row.sentence()


def test_equal_differences_of_counted_answers_are_known_to_a_step() -> None:
    """Half of 1,000 answers more at every seed is no chance; a single answer more may be."""
    base = np.full(3, 0.5)
    half, one = ([[d] * 3] for d in (0.5, 0.001))
    (found,) = paired_differences(table(np.array(half), base), step=1 / 1000)
    assert (found.verdict, found.mean) == ("helps", pytest.approx(0.5))
    reach = -student.quantile(0.025, 2) * 0.001 / math.sqrt(3)
    assert (found.low, found.high) == pytest.approx((0.5 - reach, 0.5 + reach))
    (found,) = paired_differences(table(np.array(one), base), step=1 / 1000)
    assert found.verdict == "no more than ±δ"
    assert found.low < 0 < found.high


def test_a_spread_of_more_than_a_step_is_left_alone() -> None:
    pairs = table(np.array([[0.01, 0.02, 0.04]]))
    assert paired_differences(pairs, step=0.015) == paired_differences(pairs)
    (wider,) = paired_differences(pairs, step=0.02)
    assert wider.high > paired_differences(pairs)[0].high


def test_a_step_errs_no_more_often_than_is_promised() -> None:
    """Arms without a difference, whose accuracies are shares of 50 answers, mostly all right."""
    drawn = np.random.default_rng(7).binomial(50, 0.99, (2000, 2, 3)) / 50
    wrong = 0
    for arm, base in drawn:
        (row,) = paired_differences(table(np.array([arm - base]), base), step=1 / 50)
        wrong += row.verdict in ("helps", "hurts")
    assert wrong <= 0.05 * 2000


def test_an_unfinished_arm_counts_in_the_correction() -> None:
    pairs = simulate([0.004], sd=0.002, seed=10, trials=1)[0]
    (alone,) = paired_differences(table(pairs))
    first, _ = paired_differences({**table(pairs), "new": {}})
    assert first.p_holm == pytest.approx(2 * alone.p_holm)
    assert first.detectable > alone.detectable


def test_pairs_with_baselines_of_their_own_are_one_family() -> None:
    """Differences are those of each pair alone; corrections are for all pairs together."""
    pairs = np.array([[0.02, 0.021, 0.019, 0.02, 0.022], [0.02, 0.019, 0.021, 0.021, 0.02]])
    accuracies = table(pairs)
    rows = differences_of(accuracies, [("arm0", "arm1"), ("arm1", "none")])
    assert [(row.arm, row.baseline) for row in rows] == [("arm0", "arm1"), ("arm1", "none")]
    assert rows[0].mean == pytest.approx((pairs[0] - pairs[1]).mean())
    assert [row.p_holm for row in rows] == holm([row.p for row in rows]).tolist()
    both = [("arm0", "none"), ("arm1", "none")]
    assert differences_of(accuracies, both) == paired_differences(accuracies)


def test_the_family_error_of_arms_against_placebos_of_their_own() -> None:
    """Five mechanisms and five placebos, none of which differ."""
    rng = np.random.default_rng(11)
    wrong, trials = 0, 1500
    for accuracies in 0.8 + 0.01 * rng.normal(size=(trials, 10, SEEDS)):
        rows = {f"a{i}": dict(enumerate(row)) for i, row in enumerate(accuracies)}
        found = differences_of(rows, [(f"a{i}", f"a{i + 5}") for i in range(5)])
        wrong += any(row.verdict in ("helps", "hurts") for row in found)
    assert wrong / trials <= LEVEL + band(LEVEL, trials)


def test_nothing_but_the_baseline_gives_no_difference() -> None:
    assert paired_differences({"none": {0: 0.9, 1: 0.8}}) == ()


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -0.1, 91.2])
def test_an_accuracy_that_is_no_fraction_is_named(wrong: float) -> None:
    with pytest.raises(RegardError, match=r"arm 'se', seed 3: .* 0 to 1"):
        paired_differences({"none": {3: 0.9}, "se": {3: wrong}})


def test_errors_say_what_would_work() -> None:
    with pytest.raises(RegardError, match="'non'; nearest: none"):
        paired_differences({"none": {0: 0.9}}, "non")
    with pytest.raises(RegardError, match=r"0 < level < 0\.5"):
        paired_differences({"none": {0: 0.9}}, level=0.5)
    with pytest.raises(RegardError, match="0 < delta"):
        paired_differences({"none": {0: 0.9}}, delta=0.0)
    with pytest.raises(RegardError, match="one finite accuracy"):
        summary([])
