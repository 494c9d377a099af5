import re
from dataclasses import replace

from regard.bench.reporting import _labels, report

NAMESPACE = "http://www.w3.org/2000/svg"


def test_the_page_has_pictures_and_asks_the_network_for_nothing(made):
    text = report(made.rows, made.wrong, made.conditions).html()
    assert text.count("<figure") >= 3  # ratios to plain and to the copy, and what grows
    assert set(re.findall(r"https?://[^\s\"'<>]*", text)) <= {NAMESPACE}
    assert not re.search(r"url\(|@import|src=\"(?!data:)|href=\"(?!#|data:)", text)


def test_text_from_elsewhere_is_inert(made):
    text = report(made.rows, made.wrong, made.conditions).html()
    assert "<b>se</b>" not in text
    assert "&lt;b&gt;se" in text


def test_what_is_wrong_stands_first_and_alone(red):
    text = report(red.rows, red.wrong, red.conditions).html()
    assert "ours is wrong: the output is off" in text
    assert "<figure" not in text


def test_labels_tell_cases_apart_and_shapes_only_where_they_differ(made):
    row = made.rows[0]
    last = replace(row, case=replace(row.case, layout="last"))
    other = replace(row, case=replace(row.case, shape=(2, 4, 4, 4)))
    assert _labels([row, last]) == ["se first training", "se last training"]
    assert _labels([row, other])[1] == "se 2×4×4×4 first training"
