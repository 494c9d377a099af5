import hashlib
import sys

import numpy as np
import pytest

from regard.data import digit_sources, digits, load_images
from regard.data.handwritten import read_digits
from regard.errors import RegardError


@pytest.fixture(scope="module")
def default():
    return digits()


def test_the_default_has_its_documented_shape(default):
    assert default.train.images.shape == (4400, 1, 32, 32)
    assert default.test.images.shape == (1988, 1, 32, 32)
    assert default.classes == tuple("0123456789")
    assert default.train.images.max() == 255


def test_the_digits_are_scikit_learn_s():
    from sklearn.datasets import load_digits

    theirs = load_digits()
    pixels, labels = read_digits()
    assert np.array_equal(pixels, theirs.images)
    assert np.array_equal(labels, theirs.target)


def test_train_and_test_share_no_digit_and_use_all_in_turns():
    train, test = digit_sources()
    counts = np.bincount(train, minlength=1797), np.bincount(test, minlength=1797)
    assert not (counts[0].astype(bool) & counts[1].astype(bool)).any()
    assert sorted(np.union1d(train, test)) == list(range(1797))
    assert set(counts[0]) == {0, 3, 4}
    assert set(counts[1]) == {0, 4}


def test_test_digits_are_a_share_of_each_class():
    _, labels = read_digits()
    _, test = digit_sources()
    share = np.bincount(labels[np.unique(test)]) / np.bincount(labels)
    assert np.abs(share - 0.2766).max() < 0.5 / 174 + 1e-9


def test_each_image_shows_its_digit(default):
    """Without distortion each image is its source enlarged; labels and sources must agree."""
    pixels, labels = read_digits()
    plain = digits(50, 30, rotation=0, scale=(1, 1), shift=0)
    for split, source in zip(plain.splits().values(), digit_sources(50, 30), strict=True):
        assert np.array_equal(split.labels, labels[source])
        # 8×8 pixels of 2.25 canvas pixels: the nearest canvas pixel to each centre is near its ink
        at = np.floor(7 + (np.arange(8) + 0.5) * 2.25).astype(int)
        seen = split.images[:, 0][:, at][:, :, at] / 255 * 16
        error = np.abs(seen - pixels[source]).mean(axis=(1, 2))
        other = np.abs(seen - np.roll(pixels[source], 1, axis=0)).mean(axis=(1, 2))
        assert error.max() < 1.5
        assert (error < other).all()
    for split, source in zip(default.splits().values(), digit_sources(), strict=True):
        assert np.array_equal(split.labels, labels[source])


def test_no_image_occurs_twice(default):
    everything = np.concatenate([default.train.images, default.test.images]).reshape(6388, -1)
    assert len({row.tobytes() for row in everything}) == 6388


def test_the_default_is_the_same_on_every_machine(default):
    assert default.fingerprint == digits().fingerprint
    content = hashlib.sha256(default.train.images.tobytes() + default.test.images.tobytes())
    assert content.hexdigest()[:16] == "9ca9f4fffc2ad094"


def test_another_seed_is_another_set(default):
    other = digits(seed=7)
    assert other.fingerprint != default.fingerprint
    assert not np.array_equal(digit_sources(seed=7)[1], digit_sources()[1])


def test_fewer_images_are_the_first_of_more(default):
    few = digits(100, 60)
    assert np.array_equal(few.train.images, default.train.images[:100])
    assert np.array_equal(few.test.images, default.test.images[:60])


def test_a_larger_canvas_shows_the_same_scenes():
    small, large = digits(40, 20), digits(40, 20, canvas=64)
    halved = large.train.images.reshape(40, 32, 2, 32, 2).mean(axis=(2, 4))
    assert np.abs(halved - small.train.images[:, 0]).mean() < 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": 0}, "train is 0; expected 1 or more"),
        ({"test": -1}, "test is -1; expected 1 or more"),
        ({"canvas": 8}, "canvas is 8; expected 16 or more"),
        ({"rotation": -1}, "rotation is -1; expected 0 to 180"),
        ({"rotation": float("nan")}, "rotation is nan"),
        ({"shift": 1.1}, "shift is 1.1; expected 0 to 1"),
        ({"scale": (1.2, 0.7)}, r"scale\[0\] is 1.2; expected 0.1 to 0.7"),
        ({"scale": (0, 1)}, r"scale\[0\] is 0; expected 0.1 to 1"),
        ({"scale": (1, 1.4)}, r"scale\[1\] is 1.4; .*at 1.26 at most"),
        ({"seed": -1}, "seed is -1; expected 0 or more"),
    ],
)
def test_what_is_out_of_range_is_told(options, message):
    with pytest.raises(RegardError, match=message):
        digits(**options)


def test_an_unturned_digit_may_be_larger():
    assert digits(10, 10, rotation=0, scale=(1, 1.7))


def test_without_scikit_learn_the_way_to_install_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(RegardError, match=r"pip install 'regard\[data\]'"):
        digits()


def test_a_scikit_learn_without_its_file_is_told(monkeypatch, tmp_path):
    (tmp_path / "sklearn").mkdir()
    (tmp_path / "sklearn" / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, "sklearn", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RegardError, match=r"digits.csv.gz"):
        digits()


def test_the_word_gives_the_default(default):
    assert load_images("digits").fingerprint == default.fingerprint
    assert load_images("digits").notes == default.notes


def test_the_word_with_a_size_draws_on_that_canvas():
    assert load_images("digits", size=24).fingerprint == digits(canvas=24).fingerprint


def test_validation_shares_no_digit_with_train(default):
    made = load_images("digits", validation=0.1, seed=3)
    numbered = zip(default.train.images, digit_sources()[0], strict=True)
    source = {image.tobytes(): int(digit) for image, digit in numbered}
    taught, held = (
        {source[image.tobytes()] for image in split.images}
        for split in (made.train, made.validation)
    )
    assert not taught & held
    assert len(taught | held) == 1300
    assert len(made.train) + len(made.validation) == 4400
    assert 0.08 < len(made.validation) / 4400 < 0.12
    assert np.array_equal(made.test.images, default.test.images)
    other = load_images("digits", validation=0.1, seed=4)
    assert other.fingerprint != made.fingerprint
