from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regard.errors import RegardError
from regard.page import Point, scatter

POINTS = [
    Point("none", 1000, 90.0, 89.5, 90.5),
    Point("se", 10_000, 91.0),
    Point("cbam", 100_000, 90.5, 90.0, 91.0),
]


def draw(points, **options):
    return scatter(points, "parameters", "accuracy, %", caption="c", **options)


def places(svg):
    found = [node.get("transform") for node in svg.iter("path") if node.get("transform")]
    return [tuple(map(float, re.match(r"translate\((\S+) (\S+)\)", p).groups())) for p in found]


def test_the_table_holds_the_numbers(numbers):
    for row, point in zip(numbers(draw(POINTS)), POINTS, strict=True):
        assert row[0] == point.label
        assert row[1:] == pytest.approx(point[1:], nan_ok=True, rel=0, abs=0)


def test_a_log_axis_spaces_decades_evenly_and_y_points_up(drawings):
    for svg in drawings(draw(POINTS, x_log=True)):
        (a, low), (b, high), (c, middle) = places(svg)
        assert b - a == pytest.approx(c - b, abs=0.02)
        assert high < middle < low
        assert middle == pytest.approx((low + high) / 2, abs=0.02)


def test_names_and_axes_are_written(drawings):
    for svg in drawings(draw(POINTS)):
        texts = {node.text for node in svg.iter("text")}
        assert {"none", "se", "cbam", "parameters", "accuracy, %"} <= texts


def test_a_legend_comes_only_where_names_find_no_room(tree):
    crowd = [Point(f"mechanism {k}", 1.0, 1.0) for k in range(60)]
    assert tree(draw(POINTS)).find(".//ul") is None
    assert len(tree(draw(crowd)).findall(".//ul/li")) == 60


@pytest.mark.parametrize(
    "points",
    [
        [Point("one", 5.0, 5.0)],
        [Point("a", 2.0, 3.0), Point("b", 2.0, 3.0)],
        [Point("a", math.nan, 1.0), Point("b", 1.0, math.nan)],
        [Point("a", 1.0, 1.0, -math.inf, math.inf)],
    ],
    ids=["one", "constant", "nan", "infinite"],
)
@pytest.mark.parametrize("x_log", [False, True])
def test_edge_cases_are_drawn(points, x_log, drawings):
    for svg in drawings(draw(points, x_log=x_log)):
        assert len(places(svg)) == sum(point.drawn for point in points)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=30), st.floats(-1e9, 1e9), st.floats()), max_size=8))
def test_marks_stay_on_the_sheet(named):
    points = [Point(label, x, y) for label, x, y in named if not abs(y) > 1e300] or POINTS
    for x, y in re.findall(r"translate\((\S+) (\S+)\) scale\(5\)", draw(points)):
        assert 0 <= float(x) <= 720
        assert 0 <= float(y) <= 400


def test_hostile_text_is_inert(hostile, outline):
    seen = outline(scatter([Point(hostile, 1, 1)], hostile, hostile, caption=hostile))
    assert "script" not in seen.texts
    assert "img" not in {tag for tag, _ in seen.tags}


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([], "no points"),
        ([("a", 1.0, 2.0)], "would work"),
        ([Point("a", 1.0, 2.0, 3.0, 1.0)], "y_low 3.0 above y_high 1.0"),
        ([Point("none", 0.0, 2.0)], "'none' has x = 0.0; x_log=False"),
    ],
)
def test_refusals(points, said):
    with pytest.raises(RegardError, match=said):
        draw(points, x_log=True)
