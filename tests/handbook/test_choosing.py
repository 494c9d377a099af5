"""The page on choosing follows from a kept run; undecided is said as undecided."""

import json

import pytest

import regard
from regard.comparison.statistics import paired_differences
from regard.handbook.choosing import choosing
from regard.handbook.run import ABOUT, RESULTS, keep, read

COSTS = {"parameters": 1234, "macs_per_sample": 2.5e6}
ACCURACIES = {
    "none": {0: 0.900, 1: 0.905, 2: 0.910, 3: 0.904},
    "se": {0: 0.950, 1: 0.956, 2: 0.961, 3: 0.953},
    "eca": {0: 0.890, 1: 0.930, 2: 0.880, 3: 0.915},
    "simam": {0: 0.850, 1: 0.856, 2: 0.861, 3: 0.853},
    "none, widened": {0: 0.901, 1: 0.915, 2: 0.905, 3: 0.909},
}


@pytest.fixture
def folder(tmp_path):
    lines = ["arm,seed,accuracy,loss"]
    for arm, seeds in ACCURACIES.items():
        lines += [f'"{arm}",{seed},{value},0.5' for seed, value in seeds.items()]
    (tmp_path / RESULTS).write_text("\n".join(lines) + "\n")
    about = {
        "command": "regard compare --with none,se", "machine": "a <box>", "date": "2026-01-02",
        "host": "small", "data": "digits: 4 train\n- turned", "delta": 0.005,
        "budget": {"epochs": 3, "batch": 64}, "controls": ["none, widened"],
        "costs": dict.fromkeys(ACCURACIES, COSTS),
    }  # fmt: skip
    (tmp_path / ABOUT).write_text(json.dumps(about))
    return tmp_path


@pytest.fixture
def page(folder):
    return choosing([regard.card(n) for n in regard.names()], read(folder))


def test_verdicts_are_those_of_the_comparison_controls_apart(folder):
    run = read(folder)
    alone = {arm: s for arm, s in ACCURACIES.items() if arm != "none, widened"}
    assert run.differences == paired_differences(alone, delta=0.005)
    assert [d.arm for d in run.controls] == ["none, widened"]


def test_the_page_says_them(page):
    assert "- helps: `se`" in page
    assert "- hurts: `simam`" in page
    assert "- undecided: `eca`" in page
    assert "eca: undecided at 4 seeds" in page
    assert "| [`se`](catalogue/se.md) | 95.50 % (4) |" in page
    assert "| none, widened (control) |" in page


def test_command_machine_and_date_stand_beside_the_numbers(page):
    for fact in ("`regard compare --with none,se`", "a \\<box\\>", "2026-01-02", "4 seeds"):
        assert fact in page


def test_needs_are_answered_by_the_cards(page):
    rows = dict(line.strip("| ").split(" | ") for line in page.splitlines() if line.count("|") == 3)
    free = rows["No parameters at all, on maps"]
    assert "[`simam`]" in free
    assert "[`se`]" not in free
    assert "[`multihead`]" in rows["Text that is generated: a causal mask"]
    assert "[`aff`]" in rows["Two maps to fuse"]


@pytest.mark.parametrize("damage", ["missing", "words", "alone"])
def test_a_damaged_run_is_refused_with_the_remedy(folder, damage):
    if damage == "missing":
        (folder / ABOUT).unlink()
    elif damage == "words":
        (folder / RESULTS).write_text("arm,seed,accuracy\nnone,0,much\n")
    else:
        (folder / RESULTS).write_text("arm,seed,accuracy\nse,0,0.5\n")
    with pytest.raises(regard.RegardError, match="--keep FOLDER"):
        read(folder)


def test_only_a_comparison_is_kept(tmp_path):
    with pytest.raises(regard.RegardError, match="is no folder of `regard compare`"):
        keep(tmp_path, tmp_path / "kept", "regard compare", "a box")
