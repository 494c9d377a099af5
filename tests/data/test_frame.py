from pathlib import Path

import numpy as np
import pytest

from regard.data.frame import Frame, choose_frame, require_memory, resize
from regard.data.images import Split
from regard.data.picture import Picture
from regard.errors import RegardError


def pictures(*sizes, grey=False):
    return [Picture(Path("x"), width, height, grey=grey) for width, height in sizes]


def test_one_size_is_kept_square_or_not():
    assert choose_frame(pictures((30, 20), (30, 20)), None) == (Frame(3, 30, 20), [])


def test_several_sizes_get_the_median_of_the_shorter_sides_and_a_note():
    frame, notes = choose_frame(pictures((30, 20), (50, 60), (40, 400)), None)
    assert frame == Frame(3, 40, 40)
    assert notes == [
        "resized to 40×40 from 3 sizes, 30×20 to 40×400 "
        "(antialiased bilinear; the aspect ratio is not kept)",
        "40 is the median of the shorter sides, 224 at most",
    ]


def test_the_guess_stops_at_224():
    assert choose_frame(pictures((1000, 900), (901, 1000)), None)[0] == Frame(3, 224, 224)


def test_a_size_makes_a_square_and_a_note_where_something_changes():
    frame, notes = choose_frame(pictures((30, 20)), 16)
    assert frame == Frame(3, 16, 16)
    assert notes == [
        "resized to 16×16 from 30×20 (antialiased bilinear; the aspect ratio is not kept)"
    ]
    assert choose_frame(pictures((16, 16)), 16) == (Frame(3, 16, 16), [])


def test_grey_stays_grey_only_where_all_are():
    assert choose_frame(pictures((4, 4), grey=True), None) == (Frame(1, 4, 4), [])
    mixed = pictures((4, 4), grey=True) + pictures((4, 4), (4, 4))
    frame, notes = choose_frame(mixed, None)
    assert frame.channels == 3
    assert notes == ["1 of 3 images are grey and were turned to colour"]


@pytest.mark.parametrize("channels", [1, 3])
def test_resize_keeps_flat_images_and_labels(channels):
    flat = np.broadcast_to(
        np.arange(2 * channels, dtype=np.uint8).reshape(2, channels, 1, 1), (2, channels, 4, 6)
    )
    out = resize(Split(flat, np.array([0, 1])), 8)
    assert out.images.shape == (2, channels, 8, 8)
    assert np.array_equal(out.images, np.broadcast_to(flat[:, :, :1, :1], out.images.shape))
    assert out.labels.tolist() == [0, 1]


def test_more_than_the_machine_holds_is_refused(monkeypatch):
    frame = Frame(3, 4000, 3000)
    monkeypatch.setattr("regard.data.frame._memory", lambda: 36_000_000 * 10)
    require_memory(10, frame)
    with pytest.raises(
        RegardError, match=r"11 images of 4000×3000 .*smaller .*\(--size 224, in Python size=224"
    ):
        require_memory(11, frame)
    monkeypatch.setattr("regard.data.frame._memory", lambda: None)
    require_memory(11, frame)
