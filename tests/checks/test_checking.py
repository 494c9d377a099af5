"""check(): which rules are asked, waivers, and a stranger's mechanism."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import regard
from regard.catalogue import card
from regard.checks import RULES, check
from regard.errors import RegardError


def test_all_rules_are_asked_by_default(monkeypatch):
    asked = []
    for name in RULES:
        monkeypatch.setitem(RULES, name, lambda _, name=name: asked.append(name))
    assert check("dot").passed
    assert asked == list(RULES)


def test_an_unknown_rule_is_an_error_with_the_nearest():
    with pytest.raises(RegardError, match=r"no rule is called 'gradchek'; nearest: gradcheck"):
        check("se", ["gradchek"])


def test_an_unknown_mechanism_is_an_error():
    with pytest.raises(RegardError, match="no mechanism is called 'cmba'"):
        check("cmba")


def test_a_waiver_of_a_rule_that_passes_is_a_failure():
    (outcome,) = check(replace(card("se"), waives={"batch": "it is tired"}), ["batch"]).outcomes
    assert outcome.status == "failed"
    assert "it is tired" in outcome.why
    assert "passes" in outcome.why


def test_a_waiver_of_a_rule_that_does_not_apply_is_a_failure():
    waiving = replace(card("se"), waives={"permutation": "it has places"})
    (outcome,) = check(waiving, ["permutation"]).outcomes
    assert outcome.status == "failed"
    assert "does not apply" in outcome.why


def test_a_waiver_of_a_broken_rule_is_told_with_its_reason(make_card, gate):
    class OneSize(gate):
        def forward(self, x, mask=None):
            return super().forward(x.expand(-1, -1, 7, 5))

    waiving = make_card(OneSize, waives={"shape": "one size only"})
    report = check(waiving, ["shape"])
    assert [(o.status, o.why) for o in report.outcomes] == [("waived", "one size only")]
    assert report.passed


def test_a_broken_mechanism_leaves_the_process_as_it_was(make_card, gate):
    class Broken(gate):
        def forward(self, x, mask=None):
            torch.use_deterministic_algorithms(True)
            torch.set_default_dtype(torch.float64)
            torch.rand(3)
            raise RuntimeError("stopped")

    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    assert not check(make_card(Broken), ["shape"]).passed
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.get_default_dtype() == torch.float32
    assert torch.equal(torch.rand(4), expected)


def test_the_callers_gradient_mode_and_dtype_do_not_matter():
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            assert check("cbam", ["gradcheck", "finite", "writable", "precision"]).passed
            assert not torch.is_grad_enabled()
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_mechanism_that_no_size_suits_fails_in_words(make_card, gate):
    class Broken(gate):
        def __init__(self, channels):
            raise RegardError("it takes 17 channels")

    (outcome,) = check(make_card(Broken), ["batch"]).outcomes
    assert outcome.why == "it takes none of the sizes 16, 32, 64, 128, 256"


CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"


def test_the_example_of_contributing_is_judged_by_its_file(tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", CONTRIBUTING.read_text(encoding="utf-8"), re.S)
    path = tmp_path / "my.py"
    path.write_text(example, encoding="utf-8")
    report = check(f"{path}:mean_gate")
    assert report.passed, report.table()
    assert {o.rule for o in report.outcomes if o.status == "passed"} >= {"copy", "fx", "identity"}
    assert regard.cite(regard.get(f"{path}:mean_gate", 8)).startswith("@misc{able")
