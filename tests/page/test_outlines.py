from __future__ import annotations

import math

import numpy as np
import pytest

from regard.errors import RegardError
from regard.page import outline as draw

IMAGE = np.zeros((20, 10), np.uint8)


def box(svg):
    return tuple(map(float, svg.get("viewBox").split()))


def test_the_polygon_keeps_its_corners_and_the_image_its_place(tree):
    svg = tree(draw(IMAGE, [(1, 2), (9, 2), (5, 18.5)], "region"))[0]
    polygons = svg.findall("polygon")
    assert {node.get("points") for node in polygons} == {"1.00,2.00 9.00,2.00 5.00,18.50"}
    picture = svg.find("image")
    assert (picture.get("width"), picture.get("height")) == ("10", "20")
    assert (picture.get("x"), picture.get("y")) == (None, None)
    assert picture.get("href").startswith("data:image/png;base64,")
    assert (svg.get("role"), svg.get("aria-label")) == ("img", "region")


def test_the_picture_grows_with_a_polygon_that_leaves_the_image(tree):
    left, top, width, height = box(tree(draw(IMAGE, [(-4, 0), (10, 0), (12, 25)], ""))[0])
    assert left < -4
    assert left + width > 12
    assert top < 0
    assert top + height > 25


def test_a_polygon_far_away_does_not_shrink_the_image_to_a_dot(tree):
    _, _, width, height = box(tree(draw(IMAGE, [(-1e6, 0), (1e6, 0), (0, 1e6)], ""))[0])
    assert width <= 3.2 * 10
    assert height <= 2.2 * 20


def test_zoom_counts_in_image_pixels(tree):
    svg = tree(draw(IMAGE, [(0, 0), (10, 0), (10, 20)], "", zoom=3))[0]
    assert float(svg.get("width")) == pytest.approx(3 * box(svg)[2], abs=0.01)


@pytest.mark.parametrize(
    ("array", "polygon"),
    [
        (IMAGE, [(0, 0), (1, 1)]),
        (IMAGE, [(0, 0), (1, math.nan), (2, 2)]),
        (IMAGE.astype(float), [(0, 0), (1, 0), (2, 2)]),
    ],
)
def test_refusals(array, polygon):
    with pytest.raises(RegardError, match="outline"):
        draw(array, polygon, "")
