import re

from regard.bench.reporting import report

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
