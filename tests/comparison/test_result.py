import csv
import json
import shutil

import pytest

from regard.comparison import Comparison
from regard.comparison.reading import GRID, names_of, read_grid
from regard.comparison.spec import RESULT, SPEC, note_failure
from regard.comparison.statistics import differences_of, paired_differences
from regard.errors import RegardError

COLUMNS = ("arm", "seed", "accuracy", "loss", "seconds", "stale", "trial")
MECHANISMS = ["se", "cbam", "spatial_transformer", "multihead@layer2.*"]
CONTROLS = ["none, widened", "none, longer", "se, placebo", "cbam, placebo"]


def folders_of(folder):
    return {n: folder / "trials" / key for n, key in names_of(read_grid(folder)).items()}


def unfinish(folder, keep=lambda label, seed: False):
    """Take results away, as if those trials had not been trained yet."""
    for name, path in folders_of(folder).items():
        if not keep(*name):
            (path / RESULT).unlink()
    return Comparison.load(folder)


def test_a_finished_comparison_has_all_numbers(finished):
    found = Comparison.load(finished)
    assert [arm.label for arm in found.arms] == ["none", *MECHANISMS, *CONTROLS]
    assert found.done == (18, 18)
    assert [d.arm for d in found.differences] == MECHANISMS
    assert [d.arm for d in found.control_differences] == CONTROLS
    assert set(found.stale.values()) == {"no"}
    assert not found.failures
    for label, seeds in found.values.items():
        for seed, accuracy in seeds.items():
            path = folders_of(finished)[label, seed] / RESULT
            assert accuracy == json.loads(path.read_text())["accuracy"]


def test_differences_are_those_of_the_statistics(finished):
    found = Comparison.load(finished)
    table = {label: found.values[label] for label in ("none", *MECHANISMS)}
    step = 1 / read_grid(finished)["answers"]
    assert found.differences == paired_differences(table, delta=0.005, step=step)


def test_a_comparison_that_does_not_tell_its_answers_has_no_step(finished):
    grid = read_grid(finished)
    (finished / GRID).write_text(json.dumps({n: v for n, v in grid.items() if n != "answers"}))
    found = Comparison.load(finished)
    table = {label: found.values[label] for label in ("none", *MECHANISMS)}
    assert found.differences == paired_differences(table, delta=0.005)


def test_mechanisms_meet_the_controls_that_are_for_them(finished):
    found = Comparison.load(finished)
    pairs = [(d.arm, d.baseline) for d in found.controlled]
    assert pairs == [
        *((arm, control) for control in CONTROLS[:2] for arm in MECHANISMS),
        ("se", "se, placebo"),
        ("cbam", "cbam, placebo"),
    ]
    placebos = [(arm, f"{arm}, placebo") for arm in ("se", "cbam")]
    mine = [d for d in found.controlled if "placebo" in d.baseline]
    step = 1 / read_grid(finished)["answers"]
    assert mine == list(differences_of(found.values, placebos, step=step))


def test_placebos_meet_their_own_arm_only(finished):
    grid = read_grid(finished)
    two = [{**arm, "label": f"se({i})"} for i in (1, 2) for arm in grid["arms"][1:2]]
    blind = [{**arm, "label": f"se({i}), placebo"} for i in (1, 2) for arm in grid["arms"][7:8]]
    grid["arms"] = [grid["arms"][0], *two, *blind]
    grid["trials"] = {arm["label"]: {} for arm in grid["arms"]}
    (finished / GRID).write_text(json.dumps(grid))
    pairs = [(d.arm, d.baseline) for d in Comparison.load(finished).controlled]
    assert pairs == [("se(1)", "se(1), placebo"), ("se(2)", "se(2), placebo")]


def test_nothing_finished(finished):
    found = unfinish(finished)
    assert found.headline == "No trial of 18 is finished yet."
    assert found.done == (0, 18)
    assert found.words() == ""
    assert found.csv() == ",".join(COLUMNS) + "\n"
    assert json.loads(found.json())["done"] == [0, 18]
    assert "none" in found.text()


def test_one_trial_finished(finished):
    found = unfinish(finished, lambda label, seed: (label, seed) == ("se", 1))
    assert found.headline.startswith("1 of 18 trials are finished. No mechanism is shown to help")
    (row,) = [row for row in found.rows() if row["accuracy"] is not None]
    assert (row["arm"], row["trials"]) == ("se", 1)
    assert (row["accuracy_low"], row["accuracy_high"]) == (None, None)
    assert "nan" not in found.text().lower()
    json.loads(found.json(), parse_constant=pytest.fail)


def test_some_trials_finished(finished):
    found = unfinish(finished, lambda label, seed: seed == 0 or label in ("none", "se"))
    by_arm = {d.arm: d.n for d in found.differences}
    assert by_arm == {"se": 2, "cbam": 1, "spatial_transformer": 1, "multihead@layer2.*": 1}
    assert found.headline.startswith("11 of 18 trials are finished. ")


def test_the_table_has_a_line_for_each_arm(finished):
    lines = Comparison.load(finished).table().splitlines()
    assert [line.split("  ")[0] for line in lines] == ["arm", "none", *MECHANISMS, *CONTROLS]


def test_the_csv_has_a_line_for_each_finished_trial(finished):
    found = Comparison.load(finished)
    lines = list(csv.reader(found.csv().splitlines()))
    assert tuple(lines[0]) == COLUMNS
    assert {(line[0], int(line[1])): float(line[2]) for line in lines[1:]} == {
        (label, seed): accuracy
        for label, seeds in found.values.items()
        for seed, accuracy in seeds.items()
    }
    assert {line[5] for line in lines[1:]} == {"no"}
    assert {(line[0], int(line[1])): line[6] for line in lines[1:]} == names_of(found.grid)


def test_stale_trials_are_said_to_be_stale(finished):
    folders = folders_of(finished)
    for name in (("se", 1), ("cbam", 0)):
        path = folders[name] / SPEC
        path.write_text(json.dumps({**json.loads(path.read_text()), "code": "0" * 16}))
    found = Comparison.load(finished)
    stale = {name for name, state in found.stale.items() if state == "yes"}
    assert stale == {("se", 1), ("cbam", 0)}
    (note,) = found.notes
    assert note.startswith("2 trials (cbam, se): stale, trained with other code")
    assert note in found.text()
    lines = list(csv.reader(found.csv().splitlines()))
    assert {(a, int(s)) for a, s, *_, state, _ in lines[1:] if state == "yes"} == stale


def test_where_a_file_is_not_found_it_is_not_called_stale(finished):
    path = folders_of(finished)["se", 1] / SPEC
    path.write_text(json.dumps({**json.loads(path.read_text()), "host": "gone.py:build"}))
    found = Comparison.load(finished)
    assert found.stale["se", 1] == "unknown"
    (note,) = found.notes
    assert note.startswith("1 trial (se): whether they are stale cannot be told from here")
    assert ",unknown," in found.csv()


def test_the_text_and_the_json_say_what_was_done_to_the_data(finished):
    found = Comparison.load(finished)
    assert found.grid["data"]["text"] in found.text()
    facts = json.loads(found.json())
    assert {"host", "budget", "delta", "device", "data", "start"} <= facts.keys()


def test_failed_trials_are_said_with_arm_and_seed(finished):
    path = folders_of(finished)["se", 1]
    note_failure(path, "ValueError: of its own")
    assert not Comparison.load(finished).failures  # it has a result: that was before
    (path / RESULT).unlink()
    found = Comparison.load(finished)
    assert found.failures == {("se", 1): "ValueError: of its own"}
    assert "note: se, seed 1 failed: ValueError: of its own; the same compare tries" in found.text()


def test_the_notes_of_a_trial_name_it(finished):
    path = folders_of(finished)["spatial_transformer", 1] / RESULT
    path.write_text(json.dumps({**json.loads(path.read_text()), "notes": ["it collapsed"]}))
    assert Comparison.load(finished).notes == ["spatial_transformer, seed 1: it collapsed"]


def test_a_label_cannot_steer_the_terminal(finished, capsys):
    text = (finished / GRID).read_text()
    (finished / GRID).write_text(text.replace('"cbam"', '"\\u001b[2Jcbam"'))
    Comparison.load(finished).show()
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\\x1b[2Jcbam" in shown


def test_json_holds_everything(finished):
    facts = json.loads(Comparison.load(finished).json(), parse_constant=pytest.fail)
    assert [row["arm"] for row in facts["rows"]] == ["none", *MECHANISMS, *CONTROLS]
    assert facts["rows"][0]["cost"]["parameters"] > 0
    assert len(facts["differences"]) == 4
    assert len(facts["controls"]) == 4 + 10


def test_it_is_saved_as_csv_or_json(finished, tmp_path):
    found = Comparison.load(finished)
    found.save(tmp_path / "x.csv")
    found.save(str(tmp_path / "x.json"))
    assert (tmp_path / "x.csv").read_text() == found.csv()
    assert (tmp_path / "x.json").read_text() == found.json()
    with pytest.raises(RegardError, match=r"x\.txt: a comparison is saved as \.csv or \.json"):
        found.save(tmp_path / "x.txt")


def test_a_notebook_shows_the_table(finished):
    assert "spatial_transformer" in Comparison.load(finished)._repr_html_()


def test_a_comparison_may_be_moved(finished, tmp_path):
    before = Comparison.load(finished)
    moved = Comparison.load(shutil.move(finished, tmp_path / "elsewhere"))
    assert moved.json() == before.json()
