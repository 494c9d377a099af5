import json
import shutil

import pytest
import torch

from regard.comparison.arms import Arm, parse_arms
from regard.comparison.trained import ABOUT, WEIGHTS, Trained, train_one
from regard.errors import RegardError
from regard.tasks import Reading, open_task
from regard.tasks.opening import open_for
from regard.training import Budget

BUDGET = Budget(epochs=2, batch=16)
ARMS = {
    "translation": ("gru", "dot"),
    "tagging": ("convolution", "multihead"),
    "classification": ("bag", "bigru(pooling=attention)"),
    "images": ("small", "se"),
}


class Stopped(Exception):
    pass


@pytest.fixture
def train_kind(text_data, data):
    """Train one arm of a kind into a folder."""

    def make(kind, folder, **given):
        path = data if kind == "images" else text_data[kind]
        reading = Reading(measure="exact" if kind == "translation" else None)
        task = open_task(str(path), reading, dim=16)
        host, name = ARMS[kind]
        arm = parse_arms(f"none,{name}", kind)[1]
        return task, train_one(task, host, arm, BUDGET, folder, **given)

    return make


@pytest.mark.parametrize("kind", ARMS)
def test_what_is_kept_gives_the_same_numbers_again(train_kind, tmp_path, kind):
    task, made = train_kind(kind, tmp_path / "net")
    found = Trained.load(tmp_path / "net")
    own, kept = made.model.state_dict(), found.model.state_dict()
    assert own.keys() == kept.keys()
    assert all(torch.equal(own[k], kept[k]) for k in own)
    scores = task.evaluate(found.model, "test")
    assert dict(scores.measures) == found.about["measures"] == made.about["measures"]
    files = {path.name for path in (tmp_path / "net").iterdir()}
    assert files == {WEIGHTS, ABOUT, "training.json"}


@pytest.mark.parametrize("kind", ["translation", "tagging", "images"])
def test_data_is_scored_as_it_was_measured(train_kind, text_data, data, tmp_path, kind):
    _, made = train_kind(kind, tmp_path)
    path = data if kind == "images" else text_data[kind]
    reading = Reading(measure="exact") if kind == "translation" else Reading()
    task = open_for(made.codec, str(path), reading)
    found = task.evaluate(Trained.load(tmp_path).model, "test")
    assert dict(found.measures) == made.about["measures"]


def test_a_file_alone_is_scored_whole(train_kind, text_data, tmp_path):
    _, made = train_kind("tagging", tmp_path)
    task = open_for(made.codec, str(text_data["tagging"] / "test.conllu"), Reading())
    assert len(task.data.test) == 16
    assert task.evaluate(made.model, "test").measures["accuracy"] == made.about["accuracy"]


def test_two_files_of_translations_are_scored_whole(train_kind, text_data, tmp_path):
    _, made = train_kind("translation", tmp_path)
    rows = (text_data["translation"] / "test.tsv").read_text().splitlines()
    for side, name in enumerate(("a.txt", "b.txt")):
        (tmp_path / name).write_text("".join(row.split("\t")[side] + "\n" for row in rows))
    reading = Reading(target=str(tmp_path / "b.txt"), measure="exact")
    task = open_for(made.codec, str(tmp_path / "a.txt"), reading)
    assert len(task.data.test) == 16
    assert dict(task.evaluate(made.model, "test").measures) == made.about["measures"]


def test_data_for_another_task_is_not_scored(train_kind, text_data, tmp_path):
    _, made = train_kind("tagging", tmp_path)
    with pytest.raises(RegardError, match="reviews is for classification; the network is for tag"):
        open_for(made.codec, "reviews", Reading())


def test_images_of_unknown_classes_are_not_scored(train_kind, tmp_path, write_stripes):
    _, made = train_kind("images", tmp_path / "net")
    with pytest.raises(RegardError, match="classes that the network does not know: '2'"):
        open_for(made.codec, str(write_stripes(tmp_path / "three", classes=3)), Reading())


def test_one_that_was_stopped_goes_on_and_one_that_is_finished_is_only_read(train_kind, tmp_path):
    _, straight = train_kind("tagging", tmp_path / "straight")

    def stop(epochs):
        raise Stopped

    with pytest.raises(Stopped):
        train_kind("tagging", tmp_path / "again", on_epoch=stop)
    _, again = train_kind("tagging", tmp_path / "again")
    for name in (WEIGHTS, ABOUT):
        one, other = (tmp_path / folder / name for folder in ("straight", "again"))
        assert one.read_bytes() == other.read_bytes()
    _, read = train_kind("tagging", tmp_path / "again", on_epoch=pytest.fail)
    assert read.about["measures"] == straight.about["measures"] == again.about["measures"]


def test_another_network_is_not_written_over(train_kind, tmp_path):
    train_kind("tagging", tmp_path)
    with pytest.raises(RegardError, match="holds another network; choose another --out"):
        train_kind("tagging", tmp_path, seed=1)


def test_weights_of_another_vocabulary_are_refused(train_kind, text_data, tmp_path):
    train_kind("tagging", tmp_path / "one")
    task = open_task(str(text_data["tagging"]), Reading(tokens=12), dim=16)
    arm = parse_arms("none,multihead", "tagging")[1]
    train_one(task, "convolution", arm, BUDGET, tmp_path / "other")
    shutil.copy(tmp_path / "one" / WEIGHTS, tmp_path / "other" / WEIGHTS)
    with pytest.raises(RegardError) as error:
        Trained.load(tmp_path / "other")
    assert "trained with other vocabularies or labels" in str(error.value)
    assert len(str(error.value).splitlines()) <= 3


def test_weights_of_another_network_are_refused(train_kind, text_data, tmp_path):
    train_kind("tagging", tmp_path / "one")
    task = open_task(str(text_data["tagging"]), dim=16)
    train_one(task, "bigru", Arm(label="none"), BUDGET, tmp_path / "other")
    shutil.copy(tmp_path / "one" / WEIGHTS, tmp_path / "other" / WEIGHTS)
    with pytest.raises(RegardError, match=r"does not belong to the network\.json beside it"):
        Trained.load(tmp_path / "other")


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: shutil.rmtree(folder),
        lambda folder: (folder / ABOUT).write_text("{"),
        lambda folder: (folder / ABOUT).write_text('{"format": "regard network 1"}'),
        lambda folder: (folder / ABOUT).write_text("[]"),
        lambda folder: (folder / WEIGHTS).unlink(),
        lambda folder: (folder / WEIGHTS).write_bytes(b"damage"),
    ],
)
def test_a_damaged_folder_is_named(train_kind, tmp_path, damage):
    train_kind("tagging", tmp_path / "net")
    damage(tmp_path / "net")
    with pytest.raises(RegardError, match="holds no network of `regard train`") as error:
        Trained.load(tmp_path / "net")
    assert str(tmp_path / "net") in str(error.value)


def test_a_folder_of_something_else_is_told_in_words(tmp_path):
    with pytest.raises(RegardError, match=r"there is no network\.json in it"):
        Trained.load(tmp_path)


@pytest.mark.parametrize("host", ["net.py:build", "package.module:build"])
def test_code_that_a_folder_names_is_not_run_unasked(train_kind, tmp_path, host):
    train_kind("images", tmp_path)
    facts = json.loads((tmp_path / ABOUT).read_text())
    facts["spec"]["host"] = host
    (tmp_path / ABOUT).write_text(json.dumps(facts))
    with pytest.raises(RegardError, match=r"names code of somebody's own .*say --run-code"):
        Trained.load(tmp_path)


def test_a_network_of_ones_own_is_built_when_that_is_allowed(data, host_file, tmp_path):
    body = """
def build(num_classes, in_channels):
    return nn.Sequential(nn.Flatten(), nn.Linear(64 * in_channels, num_classes))
"""
    task = open_task(str(data))
    made = train_one(task, host_file(body), Arm(label="none"), BUDGET, tmp_path / "net")
    found = Trained.load(tmp_path / "net", run_code=True)
    assert torch.equal(found.model[1].weight, made.model[1].weight)
