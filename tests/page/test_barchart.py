from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regard.errors import RegardError
from regard.page import bars


def lengths(svg):
    return [float(bar.get("width")) for bar in svg.findall(".//rect[@class='bar']")]


def test_bars_are_sorted_and_as_long_as_their_values(drawings, numbers):
    fragment = bars(["a", "b", "c"], [0.5, 2.0, 1.0], caption="c", value_label="gate")
    assert numbers(fragment) == [["b", 2.0], ["c", 1.0], ["a", 0.5]]
    for svg in drawings(fragment):
        longest, middle, shortest = lengths(svg)
        assert longest == pytest.approx(2 * middle, abs=0.03)
        assert middle == pytest.approx(2 * shortest, abs=0.03)


def test_order_as_given_and_negative_bars_on_the_other_side(drawings):
    for svg in drawings(bars(["a", "b"], [-1.0, 1.0], caption="c", ordered=False)):
        zero = float(svg.find(".//line[@class='zero']").get("x1"))
        left, right = svg.findall(".//rect[@class='bar']")
        assert float(left.get("x")) + float(left.get("width")) == pytest.approx(zero, abs=0.02)
        assert float(right.get("x")) == pytest.approx(zero, abs=0.02)


def test_of_many_bars_the_ends_are_drawn_and_the_table_holds_all(drawings, numbers):
    fragment = bars([f"channel {k}" for k in range(100)], range(100), caption="c", most=7)
    assert [row[1] for row in numbers(fragment)] == list(range(99, -1, -1))
    for svg in drawings(fragment):
        texts = [node.text for node in svg.iter("text")]
        assert "… 93 more" in texts
        assert [text for text in texts if text.startswith("channel")] == [
            f"channel {k}" for k in (99, 98, 97, 96, 2, 1, 0)
        ]


def test_a_reference_stands_at_its_value(drawings):
    for svg in drawings(bars(["a"], [2.0], caption="c", reference=1.0)):
        zero = float(svg.find(".//line[@class='zero']").get("x1"))
        line = float(svg.find(".//line[@class='reference-line']").get("x1"))
        assert line - zero == pytest.approx(lengths(svg)[0] / 2, abs=0.02)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats() | st.just(0.0), min_size=1, max_size=12))
def test_any_values_are_drawn_or_refused(values):
    labels = [str(k) for k in range(len(values))]
    if any(1e300 < abs(value) < math.inf for value in values):
        with pytest.raises(RegardError):
            bars(labels, values, caption="c")
    else:
        drawn = bars(labels, values, caption="c").count('class="bar"')
        assert drawn == 2 * sum(map(math.isfinite, values))


def test_hostile_text_is_inert(hostile, outline):
    seen = outline(bars([hostile], [1.0], caption=hostile, value_label=hostile))
    assert "script" not in seen.texts
    assert "img" not in {tag for tag, _ in seen.tags}


@pytest.mark.parametrize(
    ("labels", "values", "most", "said"),
    [
        ([], [], 9, "0 labels"),
        (["a"], [1.0, 2.0], 9, "1 labels and 2"),
        (["a"], [1.0], 1, "most=1"),
    ],
)
def test_refusals(labels, values, most, said):
    with pytest.raises(RegardError, match=said):
        bars(labels, values, caption="c", most=most)
