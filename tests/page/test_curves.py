from __future__ import annotations

import math
import re

import pytest

from regard.errors import RegardError
from regard.page import Series, lines
from regard.page.curves import mean

SERIES = [
    Series("none", [1, 2, 3], [0.5, 0.7, 0.9]),
    Series("none", [1, 2, 3], [0.7, 0.9, 1.1]),
    Series("se", [1, 2, 3], [0.4, 0.8, 1.2]),
]


def draw(series):
    return lines(series, "epoch", "accuracy", caption="c")


def paths(svg, kind):
    return [node.get("d") for node in svg.iter("path") if node.get("class").startswith(kind)]


def test_the_table_holds_every_run_and_the_mean(numbers, tree):
    fragment = draw(SERIES)
    heads = [head.text for head in tree(fragment).findall(".//thead//th")]
    assert heads == ["epoch", "none, mean", "none, run 1", "none, run 2", "se"]
    assert numbers(fragment) == [
        pytest.approx([1, 0.6, 0.5, 0.7, 0.4]),
        pytest.approx([2, 0.8, 0.7, 0.9, 0.8]),
        pytest.approx([3, 1.0, 0.9, 1.1, 1.2]),
    ]


def test_one_strong_line_a_label_and_thin_ones_for_its_seeds(drawings):
    for svg in drawings(draw(SERIES)):
        assert len(paths(svg, "mean")) == 2
        assert len(paths(svg, "seed")) == 2
        thin, strong = paths(svg, "seed"), paths(svg, "mean")[0]
        heights = [[float(y) for y in re.findall(r"[ML]\S+ ([\d.]+)", d)] for d in (*thin, strong)]
        assert heights[2] == pytest.approx(
            [(a + b) / 2 for a, b in zip(*heights[:2], strict=True)], abs=0.11
        )


def test_the_mean_stands_where_all_have_a_value():
    one = Series("a", [1, 2, 3, 4], [1.0, 2.0, 3.0, math.nan])
    other = Series("a", [2, 3, 4, 5], [4.0, 5.0, 6.0, 7.0])
    both = mean([one, other])
    assert both.xs == [2, 3, 4]
    assert both.ys == pytest.approx([3.0, 4.0, math.nan], nan_ok=True)
    assert mean([one]).ys == pytest.approx(one.ys, nan_ok=True)


def test_a_gap_breaks_the_line(drawings):
    for svg in drawings(draw([("a", [1, 2, 3, 4], [1.0, math.nan, 2.0, 3.0])])):
        [path] = paths(svg, "mean")
        assert (path.count("M"), path.count("L")) == (2, 1)


def test_epochs_have_whole_ticks(drawings):
    for svg in drawings(draw([("a", [1, 2], [0.0, 1.0])])):
        bottom = [node.text for node in svg.iter("text") if node.get("text-anchor") == "middle"]
        assert bottom == ["1", "2", "epoch"]


@pytest.mark.parametrize(
    ("xs", "ys"),
    [
        ([3], [5.0]),
        ([1, 2], [2.0, 2.0]),
        ([1, 2], [math.nan, math.nan]),
        ([0.5, 1.5], [math.inf, 1.0]),
    ],
    ids=["one", "constant", "nan", "infinite"],
)
def test_edge_cases_are_drawn(xs, ys, drawings):
    for svg in drawings(draw([("a", xs, ys), ("b", [x + 10 for x in xs], ys), ("a", [99], [1.0])])):
        assert "nan" not in "".join(paths(svg, "seed"))


def test_hostile_text_is_inert(hostile, outline):
    seen = outline(lines([(hostile, [1], [1.0])] * 2, hostile, hostile, caption=hostile))
    assert "script" not in seen.texts
    assert "img" not in {tag for tag, _ in seen.tags}


@pytest.mark.parametrize(
    ("series", "said"),
    [
        ([], "no series"),
        ([("a", [1])], "2 parts"),
        ([("a", [1, 2], [1.0])], "2 xs and 1 ys"),
        ([("a", [], [])], "0 xs"),
        ([("a", [2, 1], [1.0, 2.0])], "increasing"),
        ([("a", [1, math.nan], [1.0, 2.0])], "finite"),
    ],
)
def test_refusals(series, said):
    with pytest.raises(RegardError, match=said):
        draw(series)
