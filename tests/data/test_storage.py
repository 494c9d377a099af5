import json
import os
import shutil
import stat

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regard.data import Images, Split
from regard.errors import RegardError


def data(seed=0, validation=True):
    generator = np.random.default_rng(seed)

    def split(count):
        images = generator.integers(0, 256, (count, 3, 4, 5), np.uint8)
        return Split(images, np.arange(count, dtype=np.int64) % 2)

    train, test, held = split(6), split(4), split(2)
    classes = ("<script>alert(1)</script>", "猫 \udce9\x00")
    return Images(train, test, classes, "n", validation=held if validation else None, notes=("x",))


@pytest.mark.parametrize("validation", [True, False])
def test_what_is_saved_comes_back(tmp_path, validation):
    saved = data(validation=validation)
    folder = saved.save(tmp_path / "deep" / "prepared")
    loaded = Images.load(folder)
    for name in ("classes", "name", "notes", "fingerprint"):
        assert getattr(loaded, name) == getattr(saved, name)
    assert list(loaded.splits()) == list(saved.splits())
    for role, split in saved.splits().items():
        assert np.array_equal(loaded.splits()[role].images, split.images)
        assert np.array_equal(loaded.splits()[role].labels, split.labels)


def test_arrays_are_mapped_and_writing_into_them_leaves_the_file(tmp_path):
    folder = data().save(tmp_path / "p")
    loaded = Images.load(folder)
    assert isinstance(loaded.train.images, np.memmap)
    loaded.train.images[:] = 0
    assert Images.load(folder).fingerprint == data().fingerprint


def test_saving_again_is_nothing_and_other_images_are_refused(tmp_path):
    folder = data().save(tmp_path / "p")
    before = (folder / "train_images.npy").stat().st_mtime_ns
    data().save(folder)
    assert (folder / "train_images.npy").stat().st_mtime_ns == before
    with pytest.raises(RegardError, match="p already holds something else"):
        data(seed=1).save(folder)
    assert Images.load(folder).fingerprint == data().fingerprint
    assert os.listdir(tmp_path) == ["p"]


def test_a_foreign_folder_is_never_written_to(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(RegardError, match="mine already holds something else"):
        data().save(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years"
    assert os.listdir(tmp_path / "mine") == ["thesis.txt"]


def test_an_empty_folder_is_filled_and_open_to_others_as_usual(tmp_path):
    (tmp_path / "p").mkdir()
    folder = data().save(tmp_path / "p")
    (tmp_path / "usual").mkdir()
    mode = stat.S_IMODE((tmp_path / "usual").stat().st_mode)
    assert stat.S_IMODE(folder.stat().st_mode) == mode


def test_a_write_that_fails_half_way_leaves_nothing(tmp_path, monkeypatch):
    real, calls = np.save, []

    def full(*args, **options):
        calls.append(args)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        real(*args, **options)

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(
        RegardError, match=r"p cannot be written: No space left on device; free some"
    ):
        data().save(tmp_path / "p")
    assert os.listdir(tmp_path) == []


def test_a_disk_on_which_numpy_wrote_less_than_it_wanted_is_full(tmp_path, monkeypatch):
    def less(*args, **options):
        raise OSError("1472 requested and 488 written")

    monkeypatch.setattr(np, "save", less)
    with pytest.raises(RegardError, match=r"1472 requested and 488 written; free some space"):
        data().save(tmp_path / "p")


def test_the_first_of_two_writers_wins(tmp_path, monkeypatch):
    real = os.rename

    def late(source, target):
        monkeypatch.setattr(os, "rename", real)
        data().save(target)
        real(source, target)

    monkeypatch.setattr(os, "rename", late)
    data().save(tmp_path / "p")
    assert Images.load(tmp_path / "p").fingerprint == data().fingerprint
    assert os.listdir(tmp_path) == ["p"]


def test_a_target_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RegardError, match="file cannot be written"):
        data().save(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "x"


@pytest.fixture
def prepared(tmp_path):
    return data().save(tmp_path / "prepared")


def edit(folder, **changes):
    header = json.loads((folder / "images.json").read_text())
    (folder / "images.json").write_text(json.dumps(header | changes))


def drop(folder, key):
    header = json.loads((folder / "images.json").read_text())
    del header[key]
    (folder / "images.json").write_text(json.dumps(header))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (shutil.rmtree, "images.json"),
        (lambda p: (p / "images.json").unlink(), "images.json"),
        (lambda p: (p / "images.json").write_text("{"), "images.json"),
        (lambda p: (p / "images.json").write_text("[]"), "images.json"),
        (lambda p: (p / "images.json").write_text("[" * 100_000), "images.json"),
        (lambda p: (p / "images.json").write_bytes(b"\xff"), "images.json"),
        (lambda p: edit(p, format="other"), "format"),
        (lambda p: edit(p, classes=["a", 1]), "classes"),
        (lambda p: edit(p, classes=["a"]), "two or more"),
        (lambda p: edit(p, splits=["train"]), "splits"),
        (lambda p: edit(p, splits=["train", "test", "../x"]), "splits"),
        (lambda p: edit(p, name=1), "name"),
        (lambda p: edit(p, fingerprint=""), "fingerprint"),
        (lambda p: drop(p, "notes"), "notes"),
        (lambda p: (p / "test_labels.npy").unlink(), "test_labels.npy"),
        (lambda p: (p / "test_labels.npy").write_bytes(b""), "test_labels.npy"),
        (lambda p: (p / "test_labels.npy").write_text("text"), "test_labels.npy"),
        (lambda p: os.truncate(p / "train_images.npy", 200), "train_images.npy"),
        (lambda p: np.save(p / "train_labels.npy", np.zeros(6)), "float64"),
        (lambda p: np.save(p / "train_images.npy", np.array([{}])), "train_images.npy"),
        (lambda p: shutil.copy(p / "train_labels.npy", p / "test_labels.npy"), "labels"),
    ],
)
def test_a_damaged_folder_is_named_with_what_is_wrong(prepared, damage, told):
    damage(prepared)
    with pytest.raises(RegardError, match=f"prepared does not hold prepared images.*{told}") as it:
        Images.load(prepared)
    assert str(it.value).count("prepared images") == 1
    assert str(it.value).count("remove it") == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: os.truncate(path, 100),
        lambda path: os.truncate(path, path.stat().st_size - 1),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: np.save(path, np.zeros(3, np.uint8)),
    ],
)
def test_saving_again_mends_an_array_that_was_cut(prepared, damage):
    damage(prepared / "train_images.npy")
    others = {p: p.stat().st_mtime_ns for p in prepared.iterdir() if p.stem != "train_images"}
    data().save(prepared)
    assert Images.load(prepared).fingerprint == data().fingerprint
    assert {path: path.stat().st_mtime_ns for path in others} == others
    assert os.listdir(prepared.parent) == ["prepared"]


def test_an_archive_in_place_of_an_array_is_refused(prepared):
    np.savez(prepared / "x.npz", a=np.zeros(3))
    (prepared / "x.npz").replace(prepared / "train_images.npy")
    with pytest.raises(RegardError, match=r"prepared .*train_images.npy is no array"):
        Images.load(prepared)


def test_a_changed_pixel_is_found_unless_the_check_is_waived(prepared):
    path = prepared / "train_images.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(RegardError, match=r"prepared .*do not match the fingerprint"):
        Images.load(prepared)
    assert Images.load(prepared, check=False).train.images[-1, -1, -1, -1] == content[-1]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(which=st.integers(0, 6), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_an_error_or_harmless(prepared, which, place, bit):
    path = sorted(prepared.iterdir())[which]
    before = path.read_bytes()
    after = bytearray(before)
    after[int(place * len(after))] ^= 1 << bit
    path.write_bytes(after)
    try:
        loaded = Images.load(prepared)
    except RegardError:
        pass
    else:
        assert loaded.fingerprint == data().fingerprint
    finally:
        path.write_bytes(before)
