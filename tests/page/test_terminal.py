import pytest
from hypothesis import given
from hypothesis import strategies as st

from regard.page import aligned, printable


def test_columns_are_aligned():
    assert aligned([("a", "bb"), ("ccc", "d")]) == "a    bb\nccc  d"


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\rb", "\x9b2J", "\u202eabc", "\x00", "\x07"])
def test_what_steers_a_terminal_is_escaped(text):
    assert printable(text).isprintable()
    assert printable(text) != text


@given(st.text())
def test_only_ends_of_lines_are_not_printable(text):
    assert printable(text).replace("\n", "").isprintable()
    assert printable(text).count("\n") == text.count("\n")
