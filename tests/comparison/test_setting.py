import json
from dataclasses import replace

import pytest
import torch

from regard.comparison import setting as module
from regard.comparison.arms import Arm, parse_arms
from regard.comparison.plan import Plan
from regard.comparison.setting import COSTS, Setting
from regard.comparison.trial import build
from regard.cost import count_macs, measure
from regard.tasks import open_task
from regard.training import Budget

MECHANISMS = "se,cbam,spatial_transformer,multihead"


@pytest.fixture(autouse=True)
def measured(monkeypatch):
    """Timed here, if only once instead of twenty times."""
    monkeypatch.setattr(module, "measure", lambda *a, **k: measure(*a, **{**k, "repeats": 1}))


@pytest.fixture
def setting_of(plan):
    def make(**given):
        made = plan(**given)
        return Setting.of(made, open_task(made.data))

    return make


def with_controls(setting, folder):
    arms = parse_arms(setting.plan.mechanisms)
    costs = setting.costs(arms, folder)
    return arms, costs, setting.controls(arms, costs)


def test_costs_are_those_of_the_network_as_it_is_trained(setting_of, tmp_path):
    setting = setting_of(mechanisms=MECHANISMS)
    for arm in parse_arms(MECHANISMS):
        model, _ = build(setting.spec(arm, 0), setting.task)
        cost = setting.costs([arm], tmp_path)[arm.label]
        assert cost["parameters"] == sum(p.numel() for p in model.parameters())
        assert cost["macs_per_sample"] == count_macs(model, setting.task.example(1))
        assert cost["latency_ms"] > 0
        assert cost["train_step_ms"] > 0
        assert "batch 24" in cost["measured_with"]


def test_costs_are_measured_once(setting_of, tmp_path, monkeypatch):
    setting = setting_of(mechanisms="se")
    arms = parse_arms("se")
    said = []
    first = setting.costs(arms, tmp_path, said.append)
    assert said == ["measuring none", "measuring se"]
    monkeypatch.setattr(module, "measure", pytest.fail)
    assert setting.costs(arms, tmp_path, pytest.fail) == first
    other = setting_of(mechanisms="se", budget=Budget(epochs=7))
    assert other.costs(arms, tmp_path) == first


@pytest.mark.parametrize("text", ["", "{", "[]", '{"x": 3}', "null"])
def test_damaged_costs_are_measured_again(setting_of, tmp_path, text):
    (tmp_path / COSTS).write_text(text)
    found = setting_of().costs([Arm(label="none")], tmp_path)
    assert found["none"]["parameters"] > 0
    assert found["none"] in json.loads((tmp_path / COSTS).read_text()).values()


def test_costs_without_their_fields_are_measured_again(setting_of, tmp_path):
    setting = setting_of()
    setting.costs([Arm(label="none")], tmp_path)
    (key,) = json.loads((tmp_path / COSTS).read_text())
    (tmp_path / COSTS).write_text(json.dumps({key: {"parameters": 1}}))
    assert setting.costs([Arm(label="none")], tmp_path)["none"]["parameters"] > 1


def test_the_widened_control_reaches_the_costliest_arm_and_hardly_more(setting_of, tmp_path):
    setting = setting_of(mechanisms=MECHANISMS, controls="widened")
    _, costs, (control,) = with_controls(setting, tmp_path)
    assert (control.label, control.control, control.mechanism) == ("none, widened", True, None)
    most = {k: max(c[k] for c in costs.values()) for k in ("parameters", "macs_per_sample")}
    mine = setting.costs([control], tmp_path)["none, widened"]
    assert all(mine[name] >= most[name] for name in most)
    narrower = replace(control, label="x", width=control.width - 1 / 16)
    less = setting.costs([narrower], tmp_path)["x"]
    assert any(less[name] < most[name] for name in most)


def test_the_longer_control_is_trained_as_long_as_the_slowest_arm(setting_of, tmp_path):
    setting = setting_of(controls="longer", budget=Budget(epochs=8, batch=8))
    costs = {"none": {"train_step_ms": 10.0}, "se": {"train_step_ms": 23.1}}
    (control,) = setting.controls(parse_arms("se"), costs)
    assert control.label == "none, longer"
    assert control.lengthened == pytest.approx(2.4)
    assert control.epochs(8) == 20
    assert 20 * 10.0 >= 8 * 23.1
    assert setting.spec(control, 0).budget["epochs"] == 20


@pytest.mark.parametrize("steps", [(10.0, 9.0), (10.0, 10.0), (None, None)])
def test_longer_is_one_epoch_longer_at_least(setting_of, steps):
    setting = setting_of(controls="longer", budget=Budget(epochs=8, batch=8))
    costs = {n: {"train_step_ms": s} for n, s in zip(("none", "se"), steps, strict=True)}
    (control,) = setting.controls(parse_arms("se"), costs)
    assert control.epochs(8) == 9


def test_controls_come_in_a_fixed_order(setting_of, tmp_path):
    setting = setting_of(mechanisms="se,stn", controls="placebo,longer,widened")
    _, _, controls = with_controls(setting, tmp_path)
    labels = [arm.label for arm in controls]
    assert labels == ["none, widened", "none, longer", "se, placebo"]


def test_a_specification_says_what_is_trained(setting_of):
    setting = setting_of(mechanisms="se")
    spec = setting.spec(parse_arms("se")[1], 3)
    assert spec.seed == 3
    assert spec.task == {"kind": "images", "classes": 2, "channels": 1, "size": 8}
    assert spec.data == setting.task.data.fingerprint
    assert (spec.host, spec.start, spec.device, spec.pretrained) == ("small", "paper", "cpu", False)
    assert spec.versions["torch"]


def test_on_published_weights_mechanisms_start_as_the_identity(data):
    task = open_task(str(data), size=32)
    plan = Plan(data=str(data), mechanisms="se", host="timm:resnet18", pretrained=True)
    setting = Setting.of(plan, task)
    assert setting.start == setting.spec(parse_arms("se")[1], 0).start == "identity"


def test_measuring_leaves_the_random_state_alone(setting_of, tmp_path):
    before = torch.get_rng_state()
    setting_of().costs(parse_arms("se"), tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
