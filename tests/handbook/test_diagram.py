"""Diagrams: well-formed, nothing over anything else, readable on white and on black."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest

import regard
from regard.handbook.diagram import diagram, in_words, lines_of
from regard.handbook.layering import lay_out
from regard.handbook.simplifying import Step, simplify
from regard.handbook.tracing import trace
from regard.page.lettering import text_width

SVG = "{http://www.w3.org/2000/svg}"
STEPS = {name: simplify(trace(regard.card(name))) for name in regard.names()}


def layout_of(steps):
    sizes = [(max(map(text_width, lines_of(s))), len(lines_of(s))) for s in steps]
    return lay_out(sizes, [s.sources for s in steps])


def crosses(box, start, end, parts=50):
    """Whether the inside of a box holds a point of a line."""
    for part in range(parts + 1):
        x = start[0] + (end[0] - start[0]) * part / parts
        y = start[1] + (end[1] - start[1]) * part / parts
        if box.left + 1 < x < box.right - 1 and box.top + 1 < y < box.bottom - 1:
            return True
    return False


def luminance(colour):
    """Relative luminance as of WCAG 2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", STEPS)
def test_boxes_lie_apart_and_inside_and_no_line_runs_through_one(name):
    layout = layout_of(STEPS[name])
    for place, box in enumerate(layout.boxes):
        assert box.left >= 0
        assert box.top >= 0
        assert box.right <= layout.width
        assert box.bottom <= layout.height
        assert not any(box.crosses(other) for other in layout.boxes[place + 1 :])
    for way in layout.ways:
        for start, end in pairwise(way):
            assert not any(crosses(box, start, end) for box in layout.boxes)


@pytest.mark.parametrize("name", STEPS)
def test_a_line_for_every_source_and_text_inside_its_box(name):
    steps = STEPS[name]
    tree = ElementTree.fromstring(diagram(steps, name))
    lines = tree.findall(f"{SVG}polyline")
    assert len(lines) == sum(len(s.sources) for s in steps)
    assert tree.findtext(f"{SVG}title") == name
    for group, step in zip(tree.findall(f"{SVG}g"), steps, strict=True):
        box = group.find(f"{SVG}rect")
        left, width = float(box.get("x")), float(box.get("width"))
        texts = list(group.iter(f"{SVG}text"))
        assert [t.text for t in texts] == lines_of(step)
        for text in texts:
            half = text_width(text.text) / 2
            assert left <= float(text.get("x")) - half
            assert float(text.get("x")) + half <= left + width


def test_letters_and_lines_are_seen_on_white_and_on_black():
    kinds = ("input", "squeeze", "excite", "layers", "modulate", "attend", "warp", "compute")
    steps = [Step(kind, ("x",), (), ((1,),)) for kind in kinds]
    tree = ElementTree.fromstring(diagram(steps, "all kinds"))
    for group in tree.findall(f"{SVG}g"):
        fill = group.find(f"{SVG}rect").get("fill")
        for letters in group.findall(f"{SVG}g"):
            assert contrast(letters.get("fill"), fill) >= 4.5
    tip = tree.find(f".//{SVG}path").get("fill")
    assert min(contrast(tip, "#ffffff"), contrast(tip, "#0d1117")) >= 3


def test_text_is_escaped():
    drawn = diagram([Step("input", ("<script>&",), (), ((1,),))], '"<x>"')
    assert "<script>" not in drawn
    assert ElementTree.fromstring(drawn).findtext(f"{SVG}title") == '"<x>"'


def test_the_same_in_words():
    steps = [
        Step("input", ("x",), (), ((2, 3),)),
        Step("layers", ("linear",), (0,), ((2, 3), (2, 4)), 2),
    ]
    assert in_words(steps) == ["1. x: [2, 3]", "2. layers × 2 (from 1): linear, [2, 3] and [2, 4]"]
