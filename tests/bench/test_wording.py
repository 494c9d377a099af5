import pytest

from regard.bench.statistics import Ratio
from regard.bench.wording import growth, memory, notes, ratio_text, summary, times


@pytest.fixture
def fixed(made):
    return made.rows[:1]


def test_times(fixed):
    head, line = times(fixed)
    assert head[4:] == ("ours, ms", "/ plain", "/ copy")
    assert line == (
        "se", "8×256×56×56", "first", "training", "2", "0.5 [0.45, 0.55]", "2"
    )  # fmt: skip


def test_memory(fixed):
    head, line = memory(fixed)
    assert head[4:] == ("ours", "plain")
    assert line[4:] == ("1 kB / 2 kB", "3 kB / 6 kB")


def test_growth_tells_the_power_of_the_last_step(made):
    _, line = growth(made.rows[1:])
    assert line == (
        "se", "inference", "batch", "1×8×4×4 to 4×8×4×4", "1 2 4", "1.00", "–", "–", "–", "–"
    )  # fmt: skip


def test_summary_and_notes(made, fixed):
    assert summary(fixed) == [
        "ours against plain: 1 faster (of 1)",
        "ours against copy: 1 undecided (of 1)",
    ]
    assert notes(made.rows) == ["timm not timed: timm has no <b>se</b> (se)"]


def test_nothing_gives_no_tables():
    assert times([]) == memory([]) == growth([]) == []
    assert summary([]) == notes([]) == []


def test_a_ratio_without_an_interval():
    assert ratio_text(Ratio(1.234, 0.0, float("inf"))) == "1.23"
