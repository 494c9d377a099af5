"""Comparisons on text: translation, tagging, classification."""

import csv
import json
import shutil
from dataclasses import replace

import pytest
import torch

from regard.comparison import Comparison, Plan, compare
from regard.comparison.grid import prepare
from regard.comparison.recipes import RECIPES
from regard.comparison.setting import Setting
from regard.comparison.spec import METRICS, RESULT
from regard.comparison.trial import run_trial
from regard.cost import count_macs
from regard.errors import RegardError
from regard.tasks import Reading, open_task
from regard.tasks.reading import EMBEDDED
from regard.training import Budget

KINDS = ["translation", "tagging", "classification"]


class Stopped(Exception):
    pass


def stop_at(count):
    def stop(epochs):
        if len(epochs) == count:
            raise Stopped

    return stop


@pytest.mark.parametrize("kind", KINDS)
def test_a_comparison_is_trained_and_written(text_plan, tmp_path, in_process, kind):
    plan = text_plan(kind)
    found = compare(plan, out=tmp_path, executor=in_process)
    assert found.done == (6, 6)
    assert found.measure == ("exact" if kind == "translation" else "accuracy")
    assert found.reference == "none"
    assert Comparison.load(tmp_path).json() == found.json()
    (head, *lines) = csv.reader((tmp_path / "results.csv").read_text().splitlines())
    assert head[:3] == ["arm", "seed", found.measure]
    assert len(lines) == 6
    assert all(0 <= float(line[2]) <= 1 for line in lines)
    facts = json.loads(found.json())
    assert facts["kind"] == kind
    assert set(facts["measures"]) == {arm.label for arm in found.arms}


@pytest.mark.parametrize("kind", KINDS)
def test_the_result_is_the_same_bits_however_often_it_was_stopped(text_plan, tmp_path, kind):
    grid = prepare(text_plan(kind, budget=Budget(epochs=3, batch=16)), tmp_path)
    for label in [arm["label"] for arm in grid.facts["arms"]][1:]:
        folder = grid.trials[label, 0]
        again = shutil.copytree(folder, folder.with_name(f"again{folder.name}"))
        run_trial(folder)
        for stop in (1, 2):
            torch.manual_seed(stop)
            with pytest.raises(Stopped):
                run_trial(again, stop_at(stop))
        run_trial(again)
        for name in (RESULT, METRICS):
            assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_arms_of_one_seed_see_the_same_batches(text_plan, tmp_path, monkeypatch):
    grid = prepare(text_plan("tagging"), tmp_path)
    seen = {}
    for (label, seed), folder in grid.trials.items():
        run_trial(folder, lambda epochs, key=(label, seed): seen.setdefault(key, epochs))
    assert len({len(epochs) for epochs in seen.values()}) == 1
    task = open_task(text_plan("tagging").data, dim=16)
    one, other = (task.order(16, seed=0, epoch=1) for _ in range(2))
    assert all((a == b).all() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    "change",
    [
        {"dim": 24},
        {"seeds": (3,)},
        {"host": "gru(layers=2)"},
        {"mechanisms": "none,additive"},
        {"reading": Reading(measure="exact", unit="characters")},
        {"reading": Reading(measure="exact", tokens=20)},
        {"reading": Reading(measure="exact", reverse=True)},
        {"reading": Reading(measure="exact", longest=60)},
        {"reading": Reading(measure="chrf")},
    ],
    ids=str,
)
def test_all_that_decides_a_result_makes_another_trial(text_plan, tmp_path, change):
    plain = prepare(text_plan("translation", mechanisms="none,dot", seeds=(0,)), tmp_path)
    given = {"mechanisms": "none,dot", "seeds": (0,), **change}
    other = prepare(text_plan("translation", **given), tmp_path)
    same = set(plain.folders()) & set(other.folders())
    assert len(same) == (1 if change == {"mechanisms": "none,additive"} else 0)


def test_a_vocabulary_that_was_exchanged_is_told(text_plan, tmp_path):
    grid = prepare(text_plan("translation"), tmp_path)
    first, second = sorted((tmp_path / "vocabularies").iterdir())
    shutil.copy(first, second)
    with pytest.raises(RegardError, match="was made with another vocabulary"):
        run_trial(grid.folders()[0])


def test_a_vocabulary_that_is_gone_is_named(text_plan, tmp_path):
    grid = prepare(text_plan("tagging"), tmp_path)
    shutil.rmtree(tmp_path / "vocabularies")
    with pytest.raises(RegardError, match="holds no vocabulary"):
        run_trial(grid.folders()[0])


@pytest.mark.parametrize("kind", KINDS)
def test_costs_are_those_of_a_text_of_median_length(text_plan, tmp_path, kind):
    plan = text_plan(kind)
    task = open_task(plan.data, plan.reading, dim=16)
    setting = Setting.of(plan, task)
    arm = plan.arms()[1]
    cost = setting.costs([arm], tmp_path)[arm.label]
    model = task.build(arm.network(plan.host, kind))
    assert cost["parameters"] == sum(p.numel() for p in model.parameters())
    assert count_macs(model, task.example(1)) > 0


def test_the_widened_control_reaches_the_costliest_arm(text_plan, tmp_path):
    plan = text_plan("tagging", controls="widened,longer")
    task = open_task(plan.data, dim=16)
    setting = Setting.of(plan, task)
    sizes = {}
    for arm in plan.arms():
        model = task.build(arm.network(plan.host, "tagging"))
        parameters = sum(p.numel() for p in model.parameters())
        macs = count_macs(model, task.example(32)) / 32
        sizes[arm.label] = (parameters, macs)
    costs = {
        label: {"parameters": p, "macs_per_sample": m, "train_step_ms": 1.0}
        for label, (p, m) in sizes.items()
    }
    widened, longer = setting.controls(plan.arms(), costs)
    assert (widened.label, longer.label) == ("none, widened", "none, longer")
    model = task.build(widened.network(plan.host, "tagging"))
    assert sum(p.numel() for p in model.parameters()) >= max(p for p, _ in sizes.values())
    assert count_macs(model, task.example(32)) / 32 >= max(m for _, m in sizes.values())
    assert longer.epochs(2) == 3


def test_the_costliest_arm_itself_is_not_widened(text_plan):
    plan = text_plan("tagging", mechanisms="bigru,convolution", controls="widened")
    setting = Setting.of(plan, open_task(plan.data, dim=16))
    costs = {
        "bigru": {"parameters": 9, "macs_per_sample": 9.0, "train_step_ms": 1.0},
        "convolution": {"parameters": 5, "macs_per_sample": 5.0, "train_step_ms": 1.0},
    }
    assert setting.controls(plan.arms(), costs) == []


@pytest.mark.parametrize("data", EMBEDDED)
def test_embedded_data_have_plans_of_their_own(data):
    plan = Plan(data=data)
    kind, name = EMBEDDED[data]
    recipe = RECIPES["images" if kind == "images" else name]
    assert (plan.kind, plan.host, plan.mechanisms) == (kind, recipe.host, recipe.mechanisms)
    assert (plan.seeds, plan.budget, plan.dim) == (recipe.seeds, recipe.budget, recipe.dim)
    assert len(plan.arms()) >= 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"controls": "placebo"}, "there are no placebos for networks on text"),
        ({"pretrained": True}, "there are no published weights for networks on text"),
        ({"host": "small"}, "no network for tagging is called 'small'"),
        ({"reading": Reading(measure="bleu")}, "tagging has no measure 'bleu'; it has accuracy"),
        ({"size": 32}, "size is for images; "),
        ({"data": "digits", "host": "small", "reading": Reading(unit="words")}, "unit is for text"),
    ],
)
def test_what_cannot_be_asked_of_text_is_said_at_once(text_plan, given, said):
    with pytest.raises(RegardError) as error:
        text_plan("tagging", **given)
    assert said in str(error.value)


def test_bleu_is_what_translations_of_ones_own_are_compared_by(text_plan, tmp_path, in_process):
    plan = text_plan("translation", reading=Reading(), seeds=(0,), mechanisms="none,dot")
    found = compare(plan, out=tmp_path, executor=in_process)
    assert found.measure == "bleu"
    assert found.measures()[:1] == ["bleu"]
    assert {"chrf", "exact", "accuracy"} < set(found.measures())
    text = found.text()
    assert "BLEU (trials)" in text
    assert "BLEU: nrefs:1|" in text
    assert "chrF: nrefs:1|" in text
    assert "BLEU by length of the source" in text


def test_a_plan_may_be_changed_field_by_field(text_plan):
    plan = text_plan("tagging")
    assert replace(plan, host="bilstm").budget == plan.budget
