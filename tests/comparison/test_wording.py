from regard.comparison.statistics import paired_differences
from regard.comparison.wording import shown, shown_row

COST = {"parameters": 77754, "macs_per_sample": 3.05e6, "latency_ms": 2.125}
VALUE = {"measure": "accuracy", "accuracy": 0.9425, "trials": 3}
ROW = {"arm": "se", **VALUE, "difference": None, "cost": COST}


def facts_of(arm, plain=(0.5, 0.6, 0.7), **given_):
    table = {"none": dict(enumerate(plain)), "se": dict(enumerate(arm))}
    (difference,) = paired_differences(table, **given_)
    return difference.facts()


def test_a_difference_is_shown_in_points_with_its_interval():
    size, verdict = shown(facts_of((0.513, 0.611, 0.712)))
    assert size == "+1.20  [+0.95, +1.45]"
    assert verdict == "helps"
    size, verdict = shown(facts_of((0.487, 0.589, 0.688)))
    assert size == "−1.20  [−1.45, −0.95]"
    assert verdict == "hurts"


def test_without_an_interval_only_the_mean_is_shown():
    assert shown(facts_of((0.6, 0.7, 0.8))) == ("+10.00", "undecided")
    assert shown(facts_of((0.6,))) == ("+10.00", "undecided")


def test_equivalence_names_its_margin():
    found = facts_of((0.5001, 0.6002, 0.6999), delta=0.02)
    assert shown(found)[1] == "no more than ±2"


def test_a_row_is_text_for_each_column():
    assert shown_row(ROW) == ("se", "94.25 % (3)", "", "", "77,754", "3.05 M", "2.12")
    empty = {**ROW, "accuracy": None, "trials": 0, "cost": None}
    assert shown_row(empty) == ("se", "", "", "", "", "", "")
    nothing = {**ROW, "difference": facts_of(())}
    assert shown_row(nothing)[2:4] == ("", "")
