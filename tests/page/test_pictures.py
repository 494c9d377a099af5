from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays
from PIL import Image

from regard.errors import RegardError
from regard.page import colour_bar, gallery, heat, image, overlay
from regard.page.colours import viridis


def pixels(fragment):
    encoded = fragment.partition("base64,")[2].partition('"')[0]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))


shapes = arrays.array_shapes(min_dims=2, max_dims=2, max_side=9)


@settings(max_examples=40, deadline=None)
@given(
    shapes.flatmap(
        lambda shape: arrays.arrays(np.uint8, shape) | arrays.arrays(np.uint8, (*shape, 3))
    )
)
def test_an_image_comes_back_bit_for_bit(array):
    came = pixels(image(array, "alt"))
    assert came.shape == array.shape
    assert (came == array).all()


def test_zoom_and_alt(tree):
    node = tree(image(np.zeros((4, 8), np.uint8), '<b> & "c"', zoom=2.5))[0]
    assert (node.get("width"), node.get("height")) == ("20", "10")
    assert node.get("class") == "pixels"
    assert node.get("alt") == '<b> & "c"'
    assert tree(image(np.zeros((7, 7), np.uint8), ""))[0].get("width") == "189"
    assert tree(image(np.zeros((9, 1000), np.uint8), ""))[0].get("width") == "1000"


def test_heat_is_viridis_over_the_range(tree):
    fragment = heat(np.array([[0.0, 1.0], [2.0, 4.0]]), "map")
    assert (pixels(fragment) == viridis(np.array([[0, 0.25], [0.5, 1]]))).all()
    assert tree(fragment)[0].get("alt") == "map (0 to 4)"
    fixed = heat(np.array([[-9.0, 1.0, np.inf]]), "map", low=0.0, high=2.0)
    assert (pixels(fixed) == viridis(np.array([[0, 0.5, 1]]))).all()


def test_heat_of_a_constant_and_with_gaps():
    assert (pixels(heat(np.full((2, 2), 7.0), "")) == viridis(np.array(0.5))).all()
    came = pixels(heat(np.array([[np.nan, 1.0, 3.0]], np.float32), ""))
    assert came[0, :, 3].tolist() == [0, 255, 255]
    assert (came[0, 1:, :3] == viridis(np.array([0.0, 1.0]))).all()


def test_an_overlay_weighs_the_two():
    under = np.full((4, 6), 100, np.uint8)
    over = np.array([[0.0, 1.0, np.nan]])
    none, half, full = (pixels(overlay(under, over, "", alpha)) for alpha in (0.0, 0.5, 1.0))
    assert (none == 100).all()
    assert (full[:, :2] == viridis(np.array(0.0))).all()
    assert (full[:, 2:4] == viridis(np.array(1.0))).all()
    assert (full[:, 4:] == half[:, 4:]).all()
    assert (full[:, 4:] == 100).all()
    assert np.abs(half.astype(float) - (none.astype(float) + full) / 2).max() <= 0.5


def test_overlays_with_the_same_ends_can_be_compared():
    under, one = np.zeros((2, 2), np.uint8), np.array([[0.2, 0.4], [0.4, 0.2]])
    own, shared, doubled = (
        pixels(overlay(under, values, "", 1.0, low=low, high=high))
        for values, low, high in ((one, None, None), (one, 0.0, 0.8), (2 * one, 0.0, 1.6))
    )
    assert (shared == doubled).all()
    assert not (own == shared).all()
    assert (pixels(overlay(under, one, "", 1.0, low=0.2, high=0.4)) == own).all()


def test_an_overlay_finer_than_its_image_is_drawn():
    over = np.full((9, 9), np.nan)
    over[8, 8] = 1.0
    assert pixels(overlay(np.zeros((2, 2, 3), np.uint8), over, "")).shape == (2, 2, 3)


def test_gallery_and_colour_bar(tree):
    picture = image(np.zeros((2, 2), np.uint8), "alt")
    root = tree(gallery([(picture, "<one>"), (picture, "two")]))
    assert [node.text for node in root.iter("figcaption")] == ["<one>", "two"]
    assert len(root.findall(".//figure/img")) == 2
    assert [node.text for node in tree(colour_bar(0, 0.5, "gate")).iter("span")] == [
        "0",
        "0.5",
        "gate",
    ]


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: image(np.zeros((2, 2)), ""), "float64 .*uint8"),
        (lambda: image(np.zeros((3, 2, 2), np.uint8), ""), r"\[3, 2, 2\]"),
        (lambda: image(np.zeros((0, 2), np.uint8), ""), r"\[0, 2\]"),
        (lambda: image(np.zeros((2, 2), np.uint8), "", zoom=0), "zoom=0"),
        (lambda: heat(np.zeros((2, 2), int), ""), "floats"),
        (lambda: heat(np.zeros(3), ""), r"\[3\]"),
        (lambda: heat(np.full((2, 2), np.nan), ""), "finite"),
        (lambda: heat(np.zeros((2, 2)), "", low=1.0, high=0.0), "from 1.0 to 0.0"),
        (lambda: overlay(np.zeros((2, 2), np.uint8), np.zeros((2, 2)), "", alpha=2), "alpha=2"),
        (lambda: overlay(np.zeros((2, 2)), np.zeros((2, 2)), ""), "overlay.*uint8"),
        (lambda: gallery([]), "no items"),
    ],
)
def test_refusals(build, said):
    with pytest.raises(RegardError, match=said):
        build()
