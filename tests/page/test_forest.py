from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regard.errors import RegardError
from regard.page import Interval, Palette, intervals

ROWS = [
    Interval("se", 1.0, 0.5, 1.5, "helps"),
    Interval("eca", -0.25, -0.5, 0.0, "undecided at 5 seeds"),
    Interval("none, wider", 0.0, -2.0, 2.0, "no more than ±0.5"),
]


def places(svg):
    found = [node.get("transform") for node in svg.iter("path") if node.get("transform")]
    return [float(re.match(r"translate\((\S+)", place)[1]) for place in found]


def whiskers(svg):
    paths = [node.get("d") for node in svg.iter("path") if "whisker" in node.get("class")]
    return [tuple(map(float, re.search(r"M(\S+) \S+H([\d.]+)", path).groups())) for path in paths]


def test_the_table_holds_the_numbers(numbers):
    assert numbers(intervals(ROWS, caption="c")) == [list(row) for row in ROWS]


def test_marks_and_whiskers_share_one_scale(drawings):
    for svg in drawings(intervals(ROWS, caption="c", band=0.5)):
        zero = float(svg.find(".//line[@class='zero']").get("x1"))
        pixels = places(svg)[0] - zero
        assert pixels > 0
        for row, x, (left, right) in zip(ROWS, places(svg), whiskers(svg), strict=True):
            assert (x - zero) / pixels == pytest.approx(row.estimate, abs=0.01)
            assert (left - zero) / pixels == pytest.approx(row.low, abs=0.01)
            assert (right - zero) / pixels == pytest.approx(row.high, abs=0.01)
        band = svg.find(".//rect[@class='band']")
        assert float(band.get("x")) == pytest.approx(zero - 0.5 * pixels, abs=0.02)
        assert float(band.get("width")) == pytest.approx(pixels, abs=0.02)


def test_labels_verdicts_and_unit_are_written(drawings):
    for svg in drawings(intervals(ROWS, caption="What", unit="points")):
        texts = [node.text for node in svg.iter("text")]
        assert {*(row.label for row in ROWS), *(row.verdict for row in ROWS), "points"} <= {*texts}
        assert svg.get("aria-label") == "Forest plot: What"


def test_an_infinite_end_runs_to_the_edge_and_nan_draws_nothing(drawings):
    rows = [
        ("a", 1.0, -math.inf, math.inf, ""),
        ("b", math.nan, math.nan, math.nan, "failed"),
        ("c", 2.0, math.nan, math.nan, ""),
    ]
    for svg in drawings(intervals(rows, caption="c")):
        assert len(places(svg)) == 2
        [(left, right)] = whiskers(svg)
        ticks = [float(line.get("x1")) for line in svg.findall(".//line[@class='grid']")]
        assert (left, right) == pytest.approx((min(ticks), max(ticks)))


def test_the_zero_line_is_always_in_sight(drawings):
    for svg in drawings(intervals([("a", 95.0, 94.0, 96.0, "")], caption="c", zero=90.0)):
        zero = float(svg.find(".//line[@class='zero']").get("x1"))
        assert 0 < zero < places(svg)[0] < float(svg.get("width"))


number = st.floats(-1e9, 1e9) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0])


rows_of_numbers = st.tuples(st.text(max_size=40), number, number, number)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(rows_of_numbers, min_size=1, max_size=5))
def test_any_numbers_are_drawn_at_places(rows):
    ordered = [(a, x, *((c, b) if b > c else (b, c)), "v") for a, x, b, c in rows]
    fragment = intervals(ordered, caption="c")
    attributes = re.findall(r' (?:d|transform|x|x1|x2|width)="([^"]*)"', fragment)
    assert attributes
    assert not any("nan" in value or "inf" in value for value in attributes)


def test_a_palette_of_the_page_decides_the_colours(drawings):
    fragment = intervals(ROWS[1:2], caption="c", palette=Palette(["se", "eca"]))
    assert [node.get("class") for node in drawings(fragment)[0].iter("path")][-1] == "mark c2"


def test_hostile_text_is_inert(hostile, outline):
    seen = outline(intervals([(hostile, 1, 0, 2, hostile)], caption=hostile, unit=hostile))
    assert "script" not in seen.texts
    assert "img" not in {tag for tag, _ in seen.tags}


@pytest.mark.parametrize(
    ("rows", "band", "said"),
    [
        ([], None, "no rows"),
        ([("a", 1.0, 2.0)], None, "would work"),
        ([("a", 1.0, 2.0, 0.0, "")], None, "low 2.0 above high 0.0"),
        (ROWS, -1.0, "band=-1.0"),
        (ROWS, math.nan, "band=nan"),
    ],
)
def test_refusals(rows, band, said):
    with pytest.raises(RegardError, match=said):
        intervals(rows, caption="c", band=band)
