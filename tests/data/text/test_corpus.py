import json
import shutil

import numpy as np
import pytest

from regard.data.text import (
    Classification,
    Labelled,
    Pairs,
    Ragged,
    Strings,
    Tagged,
    Tagging,
    Translation,
)
from regard.errors import RegardError


def labelled(texts, labels):
    return Labelled(Strings.of(texts), np.array(labels, np.int64))


def classification(classes=("a", "<script>"), held=True, **options):
    return Classification(
        labelled(["x", "猫", ""], [0, 1, 0]),
        labelled(["y"], [1]),
        options.pop("name", "n"),
        classes,
        labelled(["z"], [0]) if held else None,
        **options,
    )


def tagging():
    part = Tagged.of([(["a", "b c"], ["X", "Y"]), (["d"], ["X"])], ("X", "Y"))
    return Tagging(part, part, "t", ("X", "Y"))


def translation():
    part = Pairs(Strings.of(["a", "b"]), Strings.of(["甲", "乙"]))
    return Translation(part, part, "p")


@pytest.mark.parametrize("make", [classification, tagging, translation])
def test_what_is_saved_comes_back_for_each_task(tmp_path, make):
    saved = make()
    loaded = type(saved).load(saved.save(tmp_path / "deep" / "kept"))
    for name in ("name", "classes", "notes", "fingerprint"):
        assert getattr(loaded, name) == getattr(saved, name)
    for role, part in saved.splits().items():
        assert list(loaded.splits()[role].texts()) == list(part.texts())
        assert loaded.splits()[role].labels().tolist() == part.labels().tolist()


@pytest.mark.parametrize("make", [classification, tagging, translation])
def test_saving_again_is_nothing_and_other_data_are_refused(tmp_path, make):
    make().save(tmp_path / "k")
    make().save(tmp_path / "k")
    with pytest.raises(RegardError, match="already holds something else"):
        classification(name="n", classes=("b", "c")).save(tmp_path / "k")


def test_the_fingerprint_is_of_the_content():
    first = classification()
    assert first.fingerprint == classification(name="m", notes=("other",)).fingerprint
    others = [
        classification(classes=("a", "b")),
        classification(held=False),
        Classification(
            labelled(["x", "猫", ""], [0, 1, 1]), first.test, "n", first.classes, first.validation
        ),
        Classification(
            labelled(["x猫", "", ""], [0, 1, 0]), first.test, "n", first.classes, first.validation
        ),
    ]
    assert len({first.fingerprint, *(other.fingerprint for other in others)}) == 5


def test_another_task_and_damaged_arrays_are_refused(tmp_path):
    folder = classification().save(tmp_path / "k")
    with pytest.raises(RegardError, match=r"no prepared|does not hold prepared tagging data"):
        Tagging.load(folder)
    np.save(folder / "train_classes.npy", np.array([0, 0, 0]))
    with pytest.raises(RegardError, match="the arrays do not match the fingerprint"):
        Classification.load(folder)


def edit(folder, **changes):
    header = json.loads((folder / "classification.json").read_text())
    (folder / "classification.json").write_text(json.dumps(header | changes))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (shutil.rmtree, "classification.json"),
        (lambda p: edit(p, splits=["train"]), "splits are"),
        (lambda p: edit(p, classes=[1]), "something else than text"),
        (lambda p: edit(p, classes=["a"]), "labels 0 to 1 for 1 classes"),
        (lambda p: edit(p, fingerprint=""), "no fingerprint"),
        (lambda p: (p / "train_text.npy").unlink(), "train_text.npy"),
        (lambda p: np.save(p / "train_bounds.npy", np.array([0, 9])), "bounds are"),
    ],
)
def test_a_damaged_folder_is_told_with_the_remedy(tmp_path, damage, told):
    folder = classification().save(tmp_path / "k")
    damage(folder)
    message = rf"does not hold prepared classification data \(.*{told}.*remove it and prepare"
    with pytest.raises(RegardError, match=message):
        Classification.load(folder)


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(RegardError, match="n: test is empty"):
        Classification(labelled(["x"], [0]), labelled([], []), "n", ("a", "b"))
    with pytest.raises(RegardError, match="train has labels 0 to 2 for 2 classes"):
        Classification(labelled(["x", "y"], [0, 2]), labelled(["x"], [0]), "n", ("a", "b"))
    with pytest.raises(RegardError, match="1 sources have 2 targets"):
        Pairs(Strings.of("a"), Strings.of("bc"))
    with pytest.raises(RegardError, match="1 words have 2 tags"):
        Tagged(Strings.of("a"), Ragged.of([[0, 1]], np.int64))
    with pytest.raises(RegardError, match=r"labels are int32 \[1\]; expected int64 \[1\]"):
        Labelled(Strings.of("a"), np.zeros(1, np.int32))


def test_the_description_tells_sizes_chance_and_notes():
    text = classification(notes=("one note",)).describe()
    assert text.splitlines()[0] == "n: 3 train, 1 test, 1 validation"
    assert "2 labels: a, <script>" in text
    assert "always answering the commonest is right 0.0% of the time" in text
    assert text.endswith("- one note")
    assert "characters of the source: median 1, longest 1" in translation().describe()
    assert np.isnan(translation().chance())
