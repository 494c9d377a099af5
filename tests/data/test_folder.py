import os

import numpy as np
import pytest
from PIL import Image

from regard.data import load_images
from regard.errors import RegardError

PETS = {"cat": 10, "dog": 15}


def test_class_folders_are_split_by_class_and_seed(tmp_path, make_album):
    made = load_images(make_album(tmp_path / "pets", PETS), seed=3)
    assert made.name == "pets"
    assert made.classes == ("cat", "dog")
    assert np.bincount(made.train.labels).tolist() == [8, 12]
    assert np.bincount(made.test.labels).tolist() == [2, 3]
    again = load_images(tmp_path / "pets", seed=3)
    assert again.fingerprint == made.fingerprint
    assert load_images(str(tmp_path / "pets"), seed=4).fingerprint != made.fingerprint


def contents(*splits):
    return [image.tobytes() for split in splits for image in split.images]


def test_every_image_lands_in_one_part_with_its_own_label(tmp_path, make_album):
    made = load_images(make_album(tmp_path / "pets", PETS), validation=0.25)
    parts = made.splits().values()
    assert len(set(contents(*parts))) == 25
    on_disk = {
        np.asarray(Image.open(path)).transpose(2, 0, 1).tobytes(): path.parent.name
        for path in (tmp_path / "pets").rglob("*.png")
    }
    for part in parts:
        named = [made.classes[label] for label in part.labels]
        assert [on_disk[content] for content in contents(part)] == named


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Val"])
def test_train_validation_and_test_folders_are_read(tmp_path, make_album, name):
    for number, (part, count) in enumerate((("train", 4), (name, 2), ("test", 3))):
        make_album(tmp_path / part, {"x": count, "y": count}, start=number)
    (tmp_path / "README.md").write_text("beside")
    made = load_images(tmp_path, validation=0.5)
    sizes = {role: len(split) for role, split in made.splits().items()}
    assert sizes == {"train": 8, "test": 6, "validation": 4}
    assert any("README.md" in note for note in made.notes)
    assert any("own validation part" in note for note in made.notes)


def test_a_missing_test_folder_is_split_off_train(tmp_path, make_album):
    make_album(tmp_path / "train", {"x": 10, "y": 5})
    make_album(tmp_path / "val", {"x": 2, "y": 2}, start=1)
    made = load_images(tmp_path)
    assert [len(split) for split in made.splits().values()] == [12, 3, 4]


def test_names_may_hold_anything_and_are_sorted(tmp_path, make_album):
    names = ["b", "<script>alert(1)<", "猫", "a b", "10", "9", "'\"&"]
    made = load_images(make_album(tmp_path, dict.fromkeys(names, 2)))
    assert made.classes == tuple(sorted(names))
    for label, name in enumerate(made.classes):
        with Image.open(tmp_path / name / "000.png") as image:
            first = np.asarray(image).transpose(2, 0, 1)
        everything = np.concatenate([made.train.images, made.test.images])
        labels = np.concatenate([made.train.labels, made.test.labels])
        assert labels[(everything == first).all(axis=(1, 2, 3))].tolist() == [label]


def test_names_that_are_no_utf8_are_read(tmp_path, make_album):
    root = make_album(tmp_path / "root", {"a": 2, "b": 2})
    try:
        os.rename(root / "b", os.fsencode(root) + b"/b\xff")
    except OSError:
        pytest.skip("this file system takes valid names only")
    assert load_images(root).classes == ("a", "b\\xff")


def test_a_class_may_be_called_train(tmp_path, make_album):
    made = load_images(make_album(tmp_path, {"train": 2, "car": 2, "bus": 2}))
    assert made.classes == ("bus", "car", "train")


def test_grey_images_stay_grey_until_one_has_colour(tmp_path, make_album):
    make_album(tmp_path, PETS, mode="L")
    assert load_images(tmp_path).train.images.shape[1:] == (1, 5, 6)
    Image.new("RGB", (6, 5), "red").save(tmp_path / "cat" / "red.png")
    made = load_images(tmp_path)
    assert made.train.images.shape[1:] == (3, 5, 6)
    assert "25 of 26 images are grey and were turned to colour" in made.notes


def test_sizes_that_differ_are_made_one_and_noted(tmp_path, make_album):
    make_album(tmp_path / "a", {"x": 3}, size=(12, 9))
    make_album(tmp_path / "b", {"x": 3}, size=(20, 30))
    root = tmp_path / "root"
    root.mkdir()
    for name in "ab":
        (tmp_path / name / "x").rename(root / name)
    made = load_images(root)
    assert made.train.images.shape[1:] == (3, 9, 9)
    assert any(note.startswith("resized to 9×9 from 2 sizes, 12×9 to 20×30") for note in made.notes)
    assert load_images(root, size=7).train.images.shape[1:] == (3, 7, 7)


def test_hidden_and_system_files_are_ignored_and_noted(tmp_path, make_album):
    make_album(tmp_path, PETS)
    before = load_images(tmp_path).fingerprint
    for name in (".DS_Store", "Thumbs.db", "._000.png"):
        (tmp_path / "cat" / name).write_bytes(b"x")
    (tmp_path / ".cache").mkdir()
    made = load_images(tmp_path)
    assert made.fingerprint == before
    assert any(note.startswith("4 hidden or left by a system") for note in made.notes)


def test_files_beside_the_class_folders_are_noted(tmp_path, make_album):
    make_album(tmp_path, PETS)
    (tmp_path / "labels.csv").write_text("x")
    made = load_images(tmp_path)
    assert made.notes[0] == "1 beside the folders of images, ignored: 'labels.csv'"


def damage(tmp_path, make_album):
    make_album(tmp_path, PETS)
    (tmp_path / "cat" / "notes.txt").write_text("text")
    path = tmp_path / "dog" / "003.png"
    path.write_bytes(path.read_bytes()[:-40])
    return tmp_path


def test_a_bad_file_is_an_error_that_names_it(tmp_path, make_album):
    root = damage(tmp_path, make_album)
    with pytest.raises(RegardError, match=r"cat.notes.txt gives no image"):
        load_images(root)
    (root / "cat" / "notes.txt").unlink()
    with pytest.raises(RegardError, match=r"dog.003.png gives no image"):
        load_images(root)


def test_bad_files_are_skipped_on_demand_and_counted(tmp_path, make_album):
    made = load_images(damage(tmp_path, make_album), on_bad="skip")
    assert len(made.train) + len(made.test) == 24
    assert "2 without an image, skipped: 'notes.txt', '003.png'" in made.notes
    (tmp_path / "cat" / "notes.txt").unlink()
    (tmp_path / "dog" / "003.png").unlink()
    assert load_images(tmp_path).fingerprint == made.fingerprint


def test_a_class_left_without_images_by_skipping_is_an_error(tmp_path, make_album):
    make_album(tmp_path, {"cat": 2, "dog": 1})
    path = tmp_path / "dog" / "000.png"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(RegardError, match="dog holds no image"):
        load_images(tmp_path, on_bad="skip")


def test_an_empty_class_is_an_error(tmp_path, make_album):
    make_album(tmp_path, PETS)
    (tmp_path / "eel").mkdir()
    (tmp_path / "eel" / ".DS_Store").touch()
    with pytest.raises(RegardError, match="eel holds no image"):
        load_images(tmp_path)


def test_an_empty_class_in_test_is_an_error(tmp_path, make_album):
    make_album(tmp_path / "train", PETS)
    make_album(tmp_path / "test", {"cat": 2, "dog": 0})
    with pytest.raises(RegardError, match=r"test.dog holds no image"):
        load_images(tmp_path)


def test_one_class_only_is_an_error(tmp_path, make_album):
    with pytest.raises(RegardError, match="one: only one class, 'cat'"):
        load_images(make_album(tmp_path / "one", {"cat": 3}))


def test_a_class_of_one_image_cannot_be_split(tmp_path, make_album):
    with pytest.raises(RegardError, match="class 'dog' has a single image"):
        load_images(make_album(tmp_path, {"cat": 3, "dog": 1}))


@pytest.mark.parametrize("other", ["test", "val"])
def test_classes_that_differ_are_named(tmp_path, make_album, other):
    make_album(tmp_path / "pets" / "train", {"cat": 2, "dog": 2})
    make_album(tmp_path / "pets" / other, {"cat": 2, "Dog": 2, "eel": 2})
    role = {"val": "validation"}.get(other, other)
    told = f"pets: train and {role} have .*only in train: 'dog'; only in {role}: 'Dog', 'eel'"
    with pytest.raises(RegardError, match=told):
        load_images(tmp_path / "pets")


def test_a_folder_within_a_class_is_an_error(tmp_path, make_album):
    make_album(tmp_path, PETS)
    (tmp_path / "cat" / "more").mkdir()
    with pytest.raises(RegardError, match=r"cat: expected images only, found folders .*'more'"):
        load_images(tmp_path)


def test_parts_without_train_are_an_error(tmp_path, make_album):
    make_album(tmp_path / "pets" / "test", PETS)
    with pytest.raises(RegardError, match="pets has 'test' but no train"):
        load_images(tmp_path / "pets")


def test_a_part_given_twice_is_an_error(tmp_path, make_album):
    for part in ("train", "val", "valid"):
        make_album(tmp_path / part, PETS)
    with pytest.raises(RegardError, match="valid and 'val' are both validation"):
        load_images(tmp_path)


def test_train_and_test_with_images_directly_inside_are_no_classes(tmp_path, make_album):
    make_album(tmp_path, {"train": 2, "test": 2})
    with pytest.raises(RegardError, match=r"(train|test): expected one folder for each class"):
        load_images(tmp_path)
