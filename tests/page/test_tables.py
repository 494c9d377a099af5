from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regard.errors import RegardError
from regard.page.markup import element
from regard.page.tables import Cell, show_number, table


def test_numbers_stand_right_and_the_first_cell_heads_its_row(tree):
    root = tree(table(["name", "n", "note"], [["se", 1, "a"], ["eca", None, "b"]], "Two"))
    heads = root.findall(".//thead//th")
    assert [head.text for head in heads] == ["name", "n", "note"]
    assert [head.get("class") for head in heads] == [None, "number", None]
    assert [row[0].tag + row[0].get("scope") for row in root.findall(".//tbody/tr")] == [
        "throw"
    ] * 2
    assert "".join(root.find(".//caption").itertext()) == "Two"
    assert root.find("div").get("aria-label") == "Two"
    assert root.find("div").get("tabindex") == "0"


def test_exact_values_come_back(numbers):
    rows = [["a", 1 / 3, 10**12], ["b", math.nan, -7], ["c", math.inf, 0], ["d", -1e-300, 1]]
    for expected, came in zip(rows, numbers(table(["", "x", "n"], rows, "t")), strict=True):
        assert came[0] == expected[0]
        assert came[1:] == pytest.approx(expected[1:], nan_ok=True, rel=0, abs=0)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_is_shown_is_the_number_to_six_digits(value):
    assert float(show_number(value)) == pytest.approx(value, rel=5e-6)


def test_a_cell_shows_one_thing_and_sorts_by_another(tree):
    cell = tree(table(["", "x"], [["a", Cell("76.2 ± 0.3", 76.2)]], "t")).find(".//td")
    assert (cell.text, cell.get("data-value")) == ("76.2 ± 0.3", "76.2")
    assert cell.get("class") == "number"


def test_nothing_is_a_dash_that_sorts_last(tree):
    cells = tree(table(["", "x", "y"], [["a", None, math.nan]], "t")).findall(".//td")
    assert [(cell.text, cell.get("data-value")) for cell in cells] == [("–", "")] * 2


def test_row_classes_and_empty_tables(tree):
    root = tree(table(["a"], [["x"], ["y"]], "t", row_classes=["good", ""]))
    assert [row.get("class") for row in root.findall(".//tbody/tr")] == ["good", None]
    assert tree(table(["a", "b"], [], "t")).find(".//tbody") is not None


def test_hostile_text_is_inert(hostile, outline):
    seen = outline(table([hostile, "b"], [[hostile, element("b", hostile)]], hostile))
    assert "script" not in seen.texts
    assert "img" not in {tag for tag, _ in seen.tags}


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: table([], [], "t"), "without columns"),
        (lambda: table(["a", "b"], [["x", 1], ["y"]], "t"), "row 1 .* 1 cells for 2"),
        (lambda: table(["a"], [["x"]], "t", numeric=["c"]), r"\['c'\] .*\['a'\]"),
        (lambda: table(["a"], [["x"]], "t", row_classes=[]), "0 row_classes came for 1"),
        (lambda: table(["a"], [["x"]], "t", row_classes=['"']), "no class"),
    ],
)
def test_refusals(build, said):
    with pytest.raises(RegardError, match=said):
        build()


def test_only_what_is_long_may_be_broken_into_lines(tree):
    rows = [["x" * 20, "y" * 48], ["x" * 21, "y" * 49], [1.5, "z"]]
    cells = tree(table(["a", "b"], rows, "t")).findall(".//tbody/tr/*")
    assert [cell.get("class") for cell in cells] == [None, None, "long", "long", None, None]
