import json

import pytest

from regard.checks import Outcome, Report

GOOD = Outcome("shape", "passed")
NONE = Outcome("identity", "not applicable", "it cannot start as the identity")
BAD = Outcome("batch", "failed", "sample 0 differs <b>")
REPORT = Report("se", (GOOD, NONE, BAD))


def test_passed_is_that_no_rule_failed():
    assert not REPORT.passed
    assert REPORT.failures == (BAD,)
    assert Report("se", (GOOD, NONE)).passed


def test_the_table_counts_and_lists():
    lines = REPORT.table().splitlines()
    assert lines[0] == "se: 1 passed, 1 not applicable, 1 failed"
    assert lines[1] == "shape     passed"
    assert lines[3].split(maxsplit=2) == ["batch", "failed", "sample 0 differs <b>"]
    assert str(REPORT) == REPORT.table()


def test_show_prints_the_table(capsys):
    REPORT.show()
    assert capsys.readouterr().out == REPORT.table() + "\n"


def test_what_is_saved_is_the_json(tmp_path):
    REPORT.save(tmp_path / "se.json")
    found = json.loads((tmp_path / "se.json").read_text(encoding="utf-8"))
    assert found == json.loads(REPORT.json())
    assert found["passed"] is False
    assert [Outcome(**o) for o in found["outcomes"]] == list(REPORT.outcomes)


def test_html_is_escaped():
    html = REPORT._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


def test_it_is_frozen():
    with pytest.raises(AttributeError):
        REPORT.name = "eca"
