import math

from regard.comparison.verdict import Difference, headline

EQUIVALENT = "no more than ±δ"


def difference(**changes: object) -> Difference:
    facts = {
        "arm": "cbam",
        "baseline": "none",
        "n": 5,
        "mean": 0.0035,
        "low": -0.004,
        "high": 0.011,
        "p": 0.2,
        "p_holm": 0.6,
        "p_equivalent": 0.7,
        "detectable": 0.019,
        "verdict": "undecided",
        "level": 0.05,
        "delta": 0.005,
    }
    return Difference(**{**facts, **changes})


def test_sentences() -> None:
    assert difference().sentence() == (
        "cbam: undecided at 5 seeds; the difference is between −0.4 and +1.1 points; "
        "with this spread, differences under 1.9 points would often be missed"
    )
    assert "among so many arms it may be chance" in difference(p=0.02, p_holm=0.1).sentence()
    helps = {"mean": 0.036, "low": 0.031, "high": 0.041, "verdict": "helps"}
    assert difference(arm="spatial_transformer", **helps).sentence() == (
        "spatial_transformer helps: +3.6 points (95% interval +3.1 to +4.1)"
    )
    close = {"mean": -0.0000001, "low": -0.0012, "high": 0.0012, "verdict": EQUIVALENT}
    assert difference(level=0.1, **close).sentence() == (
        "cbam changes no more than ±0.5 points: +0.00 points (90% interval −0.12 to +0.12)"
    )
    assert difference(n=1, low=-math.inf, high=math.inf, detectable=math.inf).sentence() == (
        "cbam: undecided at 1 seed; an interval needs two seeds in common with none"
    )


def test_headline_names_helps_then_hurts_then_undecided_then_equivalent() -> None:
    helps = difference(arm="se", mean=0.03, low=0.02, high=0.04, verdict="helps")
    hurts = difference(arm="gam", mean=-0.03, low=-0.04, high=-0.02, verdict="hurts")
    equal = difference(arm="eca", verdict=EQUIVALENT)
    new = difference(arm="new", n=0, high=math.inf, detectable=math.inf)
    assert headline([equal, new, difference(), hurts, helps]) == (
        "se helps: +3.0 points (95% interval +2.0 to +4.0); "
        "gam hurts: −3.0 points (95% interval −4.0 to −2.0); "
        "undecided: new, cbam (differences under 1.9 points would often be missed); "
        "no more than ±0.5 points: eca; "
        "all against none, over 0 to 5 training seeds on this one test set."
    )
    assert headline([equal]).startswith("No mechanism is shown to help; no more than ±0.5 points")
    assert headline([]) == "No mechanism was compared."


def test_what_is_proven_and_does_not_matter_is_said_to_be_small() -> None:
    row = difference(mean=-0.0009, low=-0.0012, high=-0.0005, verdict="hurts", p_equivalent=0.001)
    assert row.sentence() == (
        "cbam hurts, though by no more than 0.5 points: "
        "−0.090 points (95% interval −0.120 to −0.050)"
    )


def test_what_helps_is_held_against_each_control_in_words() -> None:
    helps = difference(mean=0.036, low=0.031, high=0.041, verdict="helps")
    verdicts = {"'w'": "helps", "'l'": "hurts", "'p'": EQUIVALENT, "'u'": "undecided"}
    rows = [difference(baseline=name[1:-1], verdict=v) for name, v in verdicts.items()]
    text = headline([helps], rows)
    assert "and beats 'w', but is worse than 'l', but does no more than 'p' (±0.5 points)" in text
    assert "but is not shown to beat 'u'" in text


def test_no_difference_of_accuracies_is_said_to_pass_100_points() -> None:
    row = difference(n=2, low=-2.9, high=3.4, detectable=4.1)
    assert "between −100.0 and +100.0 points" in row.sentence()
    assert "differences of any size would often be missed" in row.sentence()
