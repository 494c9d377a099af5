import pickle
import subprocess
import sys

import numpy as np
import pytest

from regard.data.images import Images, Split
from regard.errors import RegardError


def split(count=4, channels=1, height=3, width=5, seed=0):
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count, channels, height, width), np.uint8)
    return Split(images, np.arange(count, dtype=np.int64) % 2)


def data(**changes):
    given = {"train": split(6), "test": split(4, seed=1), "classes": ("a", "b"), "name": "toy"}
    return Images(**(given | changes))


def test_a_split_tells_its_length_and_size():
    assert len(split(4)) == 4
    assert repr(split(4, channels=3)) == "Split(4 images of 5×3 pixels in colour)"


def test_take_selects_images_with_their_labels():
    whole = split(4)
    part = whole.take(np.array([3, 0]))
    assert np.array_equal(part.images, whole.images[[3, 0]])
    assert part.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((2, 1, 3, 3)), np.zeros(2, np.int64), "expected uint8"),
        (np.zeros((2, 3, 3), np.uint8), np.zeros(2, np.int64), "images are uint8"),
        (np.zeros((2, 2, 3, 3), np.uint8), np.zeros(2, np.int64), "1 or 3"),
        (np.zeros((2, 1, 3, 3), np.uint8), np.zeros(3, np.int64), "labels are int64"),
        (np.zeros((2, 1, 3, 3), np.uint8), np.zeros(2, np.int32), "labels are int32"),
        (np.zeros((0, 1, 3, 3), np.uint8), np.zeros(0, np.int64), "empty"),
    ],
)
def test_a_split_of_another_shape_is_refused(images, labels, message):
    with pytest.raises(RegardError, match=message):
        Split(images, labels)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ("a",)}, "toy: expected two or more different classes"),
        ({"classes": ("a", "a")}, "toy: expected two or more different classes"),
        ({"test": split(4, width=6)}, "toy: test has images of 6×3"),
        ({"validation": split(4, channels=3)}, "toy: validation has images of 5×3 pixels in col"),
        ({"test": Split(split(2).images, np.array([0, 2]))}, "labels 0 to 2; expected 0 to 1"),
        ({"test": Split(split(2).images, np.array([0, -1]))}, "labels -1 to 0"),
    ],
)
def test_splits_and_classes_must_fit(changes, message):
    with pytest.raises(RegardError, match=message):
        data(**changes)


@pytest.mark.parametrize("channels", [1, 3])
def test_mean_and_std_are_those_of_the_train_pixels(channels, monkeypatch):
    monkeypatch.setattr("regard.data.images.CHUNK", 40)  # several chunks, the last one short
    images = data(train=split(7, channels=channels), test=split(2, channels=channels))
    pixels = images.train.images / 255.0
    mean, std = images.mean_std()
    np.testing.assert_allclose(mean, pixels.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std, pixels.std(axis=(0, 2, 3)), rtol=1e-12)


def test_std_of_blank_images_can_be_divided_by():
    blank = Split(np.full((2, 1, 3, 5), 51, np.uint8), np.array([0, 1]))
    assert data(train=blank).mean_std() == ((0.2,), (1 / 255,))


def test_chance_is_counted_on_test_with_the_commonest_class_of_train():
    train = Split(split(3).images, np.array([1, 1, 0]))
    test = Split(split(4).images, np.array([0, 0, 0, 1]))
    assert data(train=train, test=test).chance() == 0.25


def test_describe_names_sizes_classes_and_notes_without_control_characters():
    text = data(name="t\x1b", classes=("<script>", "猫\n"), notes=("did x",)).describe()
    assert "t\\x1b: 6 train, 4 test; images of 5×3 pixels in grey" in text
    assert "2 classes: <script>, 猫\\n" in text
    assert "- did x" in text
    assert "\x1b" not in text


def test_describe_shortens_many_classes():
    assert "c7, …, c11" in data(classes=tuple(f"c{n}" for n in range(12))).describe()


def changed(part, index):
    images = part.images.copy()
    images[index] ^= 1
    return Split(images, part.labels)


@pytest.mark.parametrize(
    "changes",
    [
        {"train": changed(split(6), (5, 0, 2, 4))},
        {"test": changed(split(4, seed=1), (0, 0, 0, 0))},
        {"train": Split(split(6).images, np.array([0, 1, 0, 1, 0, 0]))},
        {"classes": ("a", "c")},
        {"classes": ("b", "a")},
        {"validation": split(2)},
        {"train": split(4, seed=1), "test": split(6)},
    ],
)
def test_fingerprint_changes_with_any_content(changes):
    assert data(**changes).fingerprint != data().fingerprint


def test_fingerprint_tells_shapes_and_class_borders_apart():
    turned = Split(split(6).images.reshape(6, 1, 5, 3), split(6).labels)
    test = Split(split(4, seed=1).images.reshape(4, 1, 5, 3), split(4).labels)
    assert data(train=turned, test=test).fingerprint != data().fingerprint
    assert data(classes=("ab", "c")).fingerprint != data(classes=("a", "bc")).fingerprint


def test_fingerprint_ignores_name_notes_and_memory_layout():
    strided = Split(split(6).images[:, :, ::-1][:, :, ::-1], split(6).labels)
    other = data(train=strided, name="other", notes=("x",))
    assert other.fingerprint == data().fingerprint


def test_fingerprint_is_the_same_in_another_process():
    code = (
        "import numpy as np; from regard.data import Images, Split\n"
        "s = Split(np.arange(24, dtype=np.uint8).reshape(2, 1, 3, 4), np.array([0, 1]))\n"
        "print(Images(s, s, ('x', '猫'), 'n').fingerprint)"
    )
    one = Split(np.arange(24, dtype=np.uint8).reshape(2, 1, 3, 4), np.array([0, 1]))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == Images(one, one, ("x", "猫"), "n").fingerprint


def test_images_go_through_pickle():
    again = pickle.loads(pickle.dumps(data()))
    assert again.fingerprint == data().fingerprint
    assert np.array_equal(again.test.images, data().test.images)


def test_importing_the_data_loads_neither_torch_nor_scikit_learn():
    code = (
        "import sys, types, importlib.util\n"
        "package = types.ModuleType('regard')\n"
        "spec = importlib.util.find_spec('regard')\n"
        "package.__path__ = list(spec.submodule_search_locations)\n"
        "sys.modules['regard'] = package\n"  # the package's own __init__ may import torch
        "import regard.data\n"
        "print({'torch', 'sklearn', 'scipy'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
