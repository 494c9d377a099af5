import json
import shutil

import pytest

from regard.comparison.reading import (
    GRID,
    failures_among,
    names_of,
    read_grid,
    read_trial,
    staleness_of,
)
from regard.comparison.spec import RESULT, SPEC, TIMING, note_failure
from regard.errors import RegardError


def trial_of(folder, label="se", seed=0):
    return folder / "trials" / names_of(read_grid(folder))[label, seed]


def change(path, **given):
    """Replace parts of a JSON file; None takes one out."""
    facts = {**json.loads(path.read_text()), **given}
    path.write_text(json.dumps({k: v for k, v in facts.items() if v is not None}))


def test_what_was_asked_is_read(finished):
    grid = read_grid(finished)
    assert grid["host"] == "small"
    names = names_of(grid)
    assert set(names) == {(arm["label"], seed) for arm in grid["arms"] for seed in (0, 1)}
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}", "null", "[" * 100_000])
def test_a_folder_that_is_none_of_ours_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / GRID).write_text(content)
    with pytest.raises(RegardError) as error:
        read_grid(tmp_path)
    assert str(tmp_path) in str(error.value)
    assert len(str(error.value).splitlines()) <= 3


@pytest.mark.parametrize(
    "broken",
    [
        {"arms": []},
        {"arms": [{"label": 3}]},
        {"arms": [{"label": "none", "colour": "red"}]},
        {"arms": [{"label": "none"}, {"label": "none"}]},
        {"trials": {"none": {"0": "../../../../etc"}}},
        {"trials": {"none": {"zero": "0" * 16}}},
        {"trials": {"none": ["0" * 16]}},
        {"costs": {"none": {"parameters": "many"}}},
        {"data": {"name": "x", "text": "y", "key": "../../secret"}},
        {"data": {"name": ["x"], "text": "y", "key": "0" * 64}},
        {"delta": 0.0},
        {"delta": "small"},
        {"answers": -1},
        {"answers": 0.5},
        {"budget": {"epochs": None}},
        {"host": 3},
        {"pretrained": None},
    ],
    ids=str,
)
def test_a_damaged_comparison_is_said_and_never_followed(finished, broken):
    path = finished / GRID
    change(path, **broken)
    if "pretrained" in broken:
        assert "pretrained" not in path.read_text()
    with pytest.raises(RegardError, match=r"comparison\.json is damaged"):
        read_grid(finished)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_damage(finished, number):
    path = finished / GRID
    text = path.read_text()
    assert '"saved_bytes": ' in text
    path.write_text(text.replace('"latency_ms": ', f'"latency_ms": {number}, "was": '))
    with pytest.raises(RegardError, match="damaged"):
        read_grid(finished)


def test_a_trial_is_read_with_its_seconds(finished):
    folder = trial_of(finished)
    found = read_trial(folder)
    assert found["seconds"] > 0
    (folder / TIMING).unlink()
    assert read_trial(folder) == {**found, "seconds": None}
    (folder / TIMING).write_text('{"seconds": "long"}')
    assert read_trial(folder)["seconds"] is None
    (folder / RESULT).unlink()
    assert read_trial(folder) is None


@pytest.mark.parametrize(
    "broken",
    [
        {"accuracy": 1.5},
        {"accuracy": None},
        {"accuracy": "high"},
        {"loss": [1]},
        {"notes": [3]},
        {"epochs": [{"epoch": 1}]},
        {"epochs": [{"epoch": 2, "accuracy": 0.5}, {"epoch": 1, "accuracy": 0.5}]},
    ],
    ids=str,
)
def test_a_damaged_result_names_file_and_remedy(finished, broken):
    folder = trial_of(finished)
    change(folder / RESULT, **broken)
    with pytest.raises(RegardError) as error:
        read_trial(folder)
    assert str(folder / RESULT) in str(error.value)
    assert f"remove {folder}" in str(error.value)


@pytest.mark.parametrize("text", ["", "{", '{"accuracy": NaN}', "[]", "\x00"])
def test_a_cut_result_is_damaged(finished, text):
    folder = trial_of(finished)
    (folder / RESULT).write_text(text)
    with pytest.raises(RegardError, match="is damaged"):
        read_trial(folder)


def test_stale_trials_and_those_without_a_specification_are_found(finished):
    names = names_of(read_grid(finished))
    folders = {name: finished / "trials" / key for name, key in names.items()}
    assert set(staleness_of(folders).values()) == {"no"}
    change(folders["se", 1] / SPEC, code="0" * 16)
    (folders["cbam", 1] / SPEC).unlink()
    change(folders["se", 0] / SPEC, host="gone.py:build")
    found = staleness_of(folders)
    assert {name for name, state in found.items() if state == "yes"} == {("se", 1), ("cbam", 1)}
    assert {name for name, state in found.items() if state == "unknown"} == {("se", 0)}


def test_failures_are_found(finished):
    folder = trial_of(finished)
    folders = {("se", 0): folder, ("se", 1): trial_of(finished, seed=1)}
    assert failures_among(folders) == {}
    note_failure(folder, "no luck", "details")
    assert failures_among(folders) == {("se", 0): "no luck"}


def test_trials_that_are_gone_are_not_finished(finished):
    folder = trial_of(finished)
    shutil.rmtree(finished / "trials")
    assert read_trial(folder) is None
