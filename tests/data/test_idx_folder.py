import gzip

import numpy as np
import pytest

from regard.data import load_images
from regard.errors import RegardError

IMAGES, LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"


@pytest.fixture
def write(tmp_path, idx_bytes):
    def write(name, labels, zipped=False, size=(4, 3), images=None, under=""):
        labels = np.array(labels, np.uint8)
        pixels = np.arange(len(labels) * size[0] * size[1], dtype=np.uint8)
        pixels = pixels.reshape(-1, *size) if images is None else images
        folder = tmp_path / "set" / under
        folder.mkdir(parents=True, exist_ok=True)
        for kind, array in ((IMAGES, pixels), (LABELS, labels)):
            content = idx_bytes(array)
            path = folder / f"{name}-{kind}{'.gz' if zipped else ''}"
            path.write_bytes(gzip.compress(content) if zipped else content)
        return tmp_path / "set"

    return write


@pytest.mark.parametrize("test", ["t10k", "test"])
def test_train_and_test_are_read_grey_and_in_their_order(write, test):
    write("train", [0, 9, 9, 3])
    made = load_images(write(test, [9, 0]))
    assert made.name == "set"
    assert made.classes == ("0", "3", "9")
    assert made.train.labels.tolist() == [0, 2, 2, 1]
    assert made.test.labels.tolist() == [2, 0]
    assert made.train.images.shape == (4, 1, 4, 3)
    assert made.train.images.ravel().tolist() == list(range(48))
    assert made.validation is None


def test_ten_digits_are_called_by_their_numbers(write):
    made = load_images(write("train", list(range(10)) * 5))
    assert made.classes == tuple("0123456789")


def test_plain_and_gzipped_files_give_equal_images(write, tmp_path):
    write("train", [0, 1, 0])
    plain = load_images(write("t10k", [1, 0]))
    for path in (tmp_path / "set").iterdir():
        path.unlink()
    write("train", [0, 1, 0], zipped=True)
    zipped = load_images(write("t10k", [1, 0], zipped=True))
    assert zipped.fingerprint == plain.fingerprint


def test_where_both_are_there_the_plain_file_is_read(write, tmp_path):
    write("train", [0, 1, 0])
    folder = write("t10k", [1, 0])
    (folder / f"train-{IMAGES}.gz").write_bytes(b"half a download")
    assert len(load_images(folder).train) == 3


def test_the_sub_folder_raw_is_found(write):
    write("train", [0, 1], under="raw")
    made = load_images(write("t10k", [1, 0], under="raw"))
    assert made.name == "set"
    assert len(made.test) == 2


def test_the_spelling_with_a_dot_is_found(write):
    folder = write("train", [0, 1] * 5)
    for path in folder.iterdir():
        path.rename(folder / path.name.replace("-idx", ".idx"))
    assert len(load_images(folder).train) == 8


def test_a_missing_test_part_is_split_off(write):
    made = load_images(write("train", [0, 1] * 10), validation=0.25)
    assert [len(split) for split in made.splits().values()] == [12, 4, 4]
    assert any("no test part" in note for note in made.notes)


def test_a_size_resizes_every_part(write):
    write("train", [0, 1])
    made = load_images(write("test", [1, 0]), size=8)
    assert made.train.images.shape == made.test.images.shape == (2, 1, 8, 8)
    assert made.notes == (
        "resized to 8×8 from 3×4 (antialiased bilinear; the aspect ratio is not kept)",
    )
    assert load_images(write("test", [1, 0], size=(8, 8)).parent / "set", size=8)


def test_a_lost_half_is_named(write):
    folder = write("train", [0, 1])
    (folder / f"train-{LABELS}").unlink()
    with pytest.raises(RegardError, match=f"train-{IMAGES} has no labels-idx1-ubyte"):
        load_images(folder)
    write("train", [0, 1])
    (folder / f"train-{IMAGES}").unlink()
    with pytest.raises(RegardError, match=f"train-{LABELS} has no images-idx3-ubyte"):
        load_images(folder)


def test_counts_that_differ_are_told_with_both_files(write):
    folder = write("train", [0, 1, 1], images=np.zeros((2, 3, 3), np.uint8))
    with pytest.raises(RegardError, match=f"train-{IMAGES} has 2 .*train-{LABELS} has 3 labels"):
        load_images(folder)


def test_a_label_unknown_to_train_is_named(write):
    write("train", [0, 1])
    with pytest.raises(RegardError, match=rf"t10k-{LABELS}: labels \[7\] do not occur in train"):
        load_images(write("t10k", [0, 7]))


def test_one_class_only_is_an_error(write):
    with pytest.raises(RegardError, match=f"train-{LABELS}: only one class, 4"):
        load_images(write("train", [4, 4]))


def test_a_test_part_without_train_is_an_error(write):
    with pytest.raises(RegardError, match=f"set: no train-.*found t10k-{IMAGES}"):
        load_images(write("t10k", [0, 1]))


def test_two_files_for_one_part_are_an_error(write):
    write("train", [0, 1])
    write("test", [0, 1])
    with pytest.raises(
        RegardError, match=r"t10k.* and test.* are both test|test.*t10k.* both test"
    ):
        load_images(write("t10k", [0, 1]))


def test_parts_of_different_size_are_an_error(write):
    write("train", [0, 1])
    with pytest.raises(RegardError, match="set: test has images of 5×5"):
        load_images(write("t10k", [0, 1], size=(5, 5)))
