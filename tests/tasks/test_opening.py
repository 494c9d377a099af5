import sys
from dataclasses import replace

import pytest

from regard.errors import RegardError
from regard.tasks import ImageTask, Reading, keep, open_task, reopen
from regard.tasks.opening import LEAST


@pytest.fixture
def pairs_file(tmp_path):
    path = tmp_path / "pairs.tsv"
    lines = [f"a{i} red dog\tun chien rouge b{i}" for i in range(30)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_vocabularies_are_of_train_and_rare_words_are_unknown(pairs_file):
    task = open_task(str(pairs_file), Reading(measure="exact"), dim=8)
    assert LEAST == 2
    assert set(task.codec.source.tokens[4:]) == {" red", " dog"}
    assert task.codec.dim == 8
    assert len(task.data.test) == 3


def test_a_missing_sacrebleu_is_said_before_anything_is_trained(pairs_file, monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(RegardError, match=r"pip install 'regard\[text\]', or take exact"):
        open_task(str(pairs_file))
    assert open_task("translation").measure == "exact"
    assert open_task(str(pairs_file), Reading(measure="exact")).measure == "exact"


def test_sides_may_have_units_of_their_own(pairs_file):
    task = open_task(str(pairs_file), Reading(unit="words,characters"))
    assert (task.codec.source.unit, task.codec.target.unit) == ("words", "characters")
    with pytest.raises(RegardError, match="3 units of text; expected one, or source,target"):
        open_task(str(pairs_file), Reading(unit="words,words,words"))


def test_sides_and_columns_may_be_chosen(pairs_file):
    plain, turned = (
        open_task(str(pairs_file), reading)
        for reading in (Reading(), Reading(columns=("2", "1"), task="translation"))
    )
    assert turned.data.train.source[0] == plain.data.train.target[0]
    back = open_task(str(pairs_file), Reading(reverse=True))
    assert back.codec.source.tokens == plain.codec.target.tokens
    with pytest.raises(RegardError, match="--columns has 1; expected two"):
        open_task(str(pairs_file), Reading(columns=("1",), task="translation"))


def test_columns_of_a_table_have_names(tmp_path):
    (tmp_path / "a.csv").write_text(
        "mood,says\n" + "".join(f"good,yes {i}\nbad,no {i}\n" for i in range(6))
    )
    task = open_task(str(tmp_path / "a.csv"), Reading(columns=("says", "mood")))
    assert task.data.classes == ("bad", "good")
    with pytest.raises(RegardError, match="has no column 'text', 'label'"):
        open_task(str(tmp_path / "a.csv"))


def test_another_file_may_be_the_test(pairs_file, tmp_path):
    (tmp_path / "other.tsv").write_text("red dog\tchien rouge\n")
    task = open_task(str(pairs_file), Reading(test=str(tmp_path / "other.tsv")))
    assert len(task.data.train) == 30
    assert len(task.data.test) == 1


@pytest.mark.parametrize("kind", ["pairs", "tags", "texts", "stripes"])
def test_a_task_comes_back_from_its_folder(request, tmp_path, kind):
    task = request.getfixturevalue(kind)
    task = ImageTask.of(task, channels=3) if kind == "stripes" else task
    keep(task, tmp_path)
    found = reopen(tmp_path, task.data.fingerprint, task.facts())
    assert found.facts() == task.facts()
    assert type(found) is type(task)
    rows = task.order(8, seed=0, epoch=0)[0]
    for one, other in zip(found.batch(rows).inputs, task.batch(rows).inputs, strict=True):
        assert one.equal(other)
    assert found.batch(rows).targets.equal(task.batch(rows).targets)


def test_a_task_that_there_is_not_is_told(tmp_path, tags):
    with pytest.raises(RegardError, match="no task is called 'poetry'"):
        reopen(tmp_path, "0" * 64, {**tags.facts(), "kind": "poetry"})


def test_a_device_is_another_view_of_the_same_task(tags):
    assert tags.to("cpu") is tags
    assert tags.to("meta").device.type == "meta"
    assert replace(tags, measure="f1").facts()["measure"] == "f1"
