from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from regard.page.lettering import Box, place_labels, shorten, text_width

FRAME = Box(0, 0, 600, 300)
points = st.tuples(st.floats(0, 600), st.floats(0, 300))


@given(st.lists(st.tuples(st.text("abcm, W", min_size=1, max_size=12), points), max_size=25))
def test_labels_stay_inside_and_apart(named):
    places = [place for _, place in named]
    boxes = place_labels([label for label, _ in named], places, FRAME)
    placed = [box for box in boxes if box]
    assert len(boxes) == len(named)
    assert all(box.inside(FRAME) for box in placed)
    assert not any(a.crosses(b) for a, b in combinations(placed, 2))
    assert not any(
        box.left < x < box.right and box.top < y < box.bottom for box in placed for x, y in places
    )


def test_labels_keep_off_obstacles():
    wall = Box(300, 0, 600, 300)
    [box] = place_labels(["label"], [(298, 150)], FRAME, [wall])
    assert box is not None
    assert not box.crosses(wall)


def test_a_label_without_room_is_left_to_the_legend():
    assert place_labels(["label"] * 200, [(300, 150)] * 200, FRAME)[-1] is None


@given(st.text(max_size=40), st.floats(20, 300))
def test_a_shortened_text_fits_and_begins_alike(text, width):
    short = shorten(text, width)
    assert text_width(short) <= width
    assert short == text or text.startswith(short.removesuffix("…"))


def test_wide_letters_are_wide():
    assert text_width("注意力") > 1.4 * text_width("abc")
