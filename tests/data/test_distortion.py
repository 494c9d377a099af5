import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from regard.data.distortion import SIDE, Distortions, draw_distortions, extent, warp
from regard.data.splits import random_bits


def draw(count=500, rotation=45.0, scale=(0.7, 1.2), shift=0.4, seed=1):
    bits = random_bits(seed, 0)
    return draw_distortions(bits, count, rotation=rotation, scale=scale, shift=shift)


def corners(how):
    """The corners of each turned square in shares of the canvas, by complex numbers."""
    turn = np.exp(-1j * np.deg2rad(how.angle))  # down is positive: counter-clockwise is minus
    square = np.array([1 + 1j, 1 - 1j, -1 + 1j, -1 - 1j]) * SIDE / 2
    middle = how.shift[:, 0] + 1j * how.shift[:, 1]
    return middle[:, None] + (how.scale * turn)[:, None] * square


@settings(deadline=None)
@given(
    rotation=st.floats(0, 180),
    low=st.floats(0.1, 1.2),
    spread=st.floats(0, 1),
    shift=st.floats(0, 1),
    seed=st.integers(0, 999),
)
def test_every_draw_is_in_bounds_and_on_the_canvas(rotation, low, spread, shift, seed):
    high = low + spread * (1.25 - low)
    how = draw(60, rotation, (low, high), shift, seed)
    assert np.abs(how.angle).max() <= rotation
    assert how.scale.min() >= low
    assert how.scale.max() <= high + 1e-12
    spots = corners(how)
    assert max(np.abs(spots.real).max(), np.abs(spots.imag).max()) <= 0.5 + 1e-5
    room = 0.5 - np.abs((spots - spots.mean(1, keepdims=True)).real).max(1)
    assert (np.abs(how.shift) <= shift * room[:, None] + 1e-5).all()


def test_draws_fill_their_ranges():
    how = draw(4000)
    assert how.angle.min() < -44.5
    assert how.angle.max() > 44.5
    assert how.scale.min() < 0.705
    assert how.scale.max() > 1.195
    room = (1 - extent(how.angle, how.scale)) / 2
    share = how.shift / room[:, None]
    assert share.min() < -0.395
    assert share.max() > 0.395
    assert abs(np.corrcoef(share.T)[0, 1]) < 0.08  # five standard deviations of independence


def test_fewer_draws_are_the_first_of_more():
    few, many = draw(10), draw(100)
    for name in ("angle", "scale", "shift"):
        assert np.array_equal(getattr(few, name), getattr(many, name)[:10])


def test_no_rotation_scale_and_shift_is_plain_enlargement():
    how = draw(3, 0.0, (1.0, 1.0), 0.0)
    assert not how.angle.any()
    assert (how.scale == 1).all()
    assert not how.shift.any()


def reference(image, angle, scale, shift, canvas):
    """One image by scipy's affine transform, in row and column order."""
    radians = np.deg2rad(angle)
    turn = np.array([[np.cos(radians), np.sin(radians)], [-np.sin(radians), np.cos(radians)]])
    step = len(image) / (SIDE * scale * canvas)
    matrix = turn * step
    middle = np.array([(canvas - 1) / 2 + shift[1] * canvas, (canvas - 1) / 2 + shift[0] * canvas])
    offset = (len(image) - 1) / 2 - matrix @ middle
    return ndimage.affine_transform(
        image.astype(float), matrix, offset, (canvas, canvas), order=1, mode="grid-constant"
    )


@pytest.mark.parametrize("canvas", [24, 32, 45])
def test_warp_is_scipy_s_affine_transform(canvas):
    images = np.random.default_rng(0).integers(0, 17, (3, 8, 8), np.uint8)
    source = np.array([0, 2, 1, 2, 2])
    how = draw(5, shift=1.0)
    found = warp(images, source, how, canvas)
    for n in range(5):
        expected = reference(images[source[n]], how.angle[n], how.scale[n], how.shift[n], canvas)
        assert np.abs(found[n] - expected * 255 / 16).max() <= 0.5 + 0.05


def one(angle=0.0, scale=1.0, shift=(0.0, 0.0)):
    return Distortions(np.array([angle]), np.array([scale]), np.array([shift]))


def centre(image):
    rows, columns = np.indices(image.shape)
    return np.array([(image * columns).sum(), (image * rows).sum()]) / image.sum()


def test_a_shift_moves_right_and_down():
    blob = np.zeros((1, 8, 8), np.uint8)
    blob[0, 3:5, 3:5] = 16
    still, moved = (
        warp(blob, np.array([0]), one(shift=shift), 32)[0].astype(float)
        for shift in ((0, 0), (4 / 32, 2 / 32))
    )
    assert np.array_equal(moved[2:, 4:], still[:-2, :-4])


def test_a_positive_angle_turns_counter_clockwise():
    blob = np.zeros((1, 8, 8), np.uint8)
    blob[0, 3:5, 7] = 16  # at the right edge
    right, top = (warp(blob, np.array([0]), one(angle), 32)[0].astype(float) for angle in (0, 90))
    assert centre(right)[0] > 22
    assert np.array_equal(top, np.rot90(right))


def test_batches_do_not_show(monkeypatch):
    images = np.random.default_rng(0).integers(0, 17, (4, 8, 8), np.uint8)
    source, how = np.arange(30) % 4, draw(30)
    whole = warp(images, source, how, 32)
    monkeypatch.setattr("regard.data.distortion.BATCH", 7)
    assert np.array_equal(warp(images, source, how, 32), whole)


def test_full_ink_is_255_and_nothing_is_0():
    out = warp(np.full((1, 8, 8), 16, np.uint8), np.array([0]), one(), 32)[0]
    assert out[16, 16] == 255
    assert out[0, 0] == 0
