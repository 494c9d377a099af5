from __future__ import annotations

import pytest

from regard.errors import RegardError
from regard.page.palette import Palette


def test_49_labels_look_different():
    labels = [f"m{k}" for k in range(49)]
    palette = Palette(labels)
    assert len({(palette[label].colour, palette[label].marker) for label in labels}) == 49


def test_the_first_seven_differ_in_colour_in_marker_and_in_dash():
    looks = [Palette("abcdefg")[label] for label in "abcdefg"]
    for part in ("colour", "marker", "dash"):
        assert len({getattr(look, part) for look in looks}) == 7


def test_the_plain_network_is_grey_and_shifts_nobody():
    with_plain, without = Palette(["se", "none", "eca"]), Palette(["se", "eca", "se"])
    assert with_plain["none"].colour == without["none"].colour == "c0"
    assert with_plain["eca"] == without["eca"]


def test_a_mark_stands_at_its_place(tree):
    mark = tree(Palette(["se"])["se"].mark(3, 4.5, title="<se>"))[0]
    assert mark.get("transform") == "translate(3.00 4.50) scale(5)"
    assert mark.findtext("title") == "<se>"


def test_an_unknown_label_is_refused_with_the_nearest():
    with pytest.raises(RegardError, match="'cmba'; nearest: cbam"):
        Palette(["cbam", "se"])["cmba"]
