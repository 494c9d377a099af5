import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

from regard.comparison import attended
from regard.comparison import trial as module
from regard.comparison.arms import Arm, parse_arms
from regard.comparison.attended import shown_images
from regard.comparison.grid import prepare
from regard.comparison.setting import Setting
from regard.comparison.spec import MAPS, METRICS, RESULT, SPEC, TIMING, Spec
from regard.comparison.trial import build, run_trial
from regard.data import load_images
from regard.errors import RegardError
from regard.maps import Map
from regard.tasks import open_task
from regard.training import Budget

DROPPING = """
class Net(nn.Module):
    def __init__(self, classes, channels):
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(channels, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.layer2 = nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU())
        self.drop, self.head = nn.Dropout(0.5), nn.Linear(16, classes)
    def forward(self, x):
        return self.head(self.drop(self.layer2(self.layer1(x)).mean((2, 3))))

def build(num_classes, in_channels):
    return Net(num_classes, in_channels)
"""


@pytest.fixture
def trial_of(tmp_path, plan):
    """The folder of one trial, set up: of an arm, with seed 0."""

    def make(label: str = "se", **given):
        grid = prepare(plan(**given), tmp_path / "grid")
        return grid.trials[label, 0]

    return make


class Stopped(Exception):
    pass


def interrupt_at(stop):
    def stop_there(epochs):
        if len(epochs) == stop:
            raise Stopped

    return stop_there


ARMS = ["none", "se", "cbam, placebo", "spatial_transformer"]


@pytest.mark.parametrize("label", ARMS)
def test_the_result_is_the_same_bits_however_often_it_was_stopped(trial_of, label):
    folder = trial_of(
        label,
        mechanisms="se,cbam,spatial_transformer",
        controls="placebo",
        budget=Budget(epochs=3, batch=8),
    )
    again = shutil.copytree(folder, folder.with_name("again"))
    run_trial(folder)
    for stop in (1, 2, 3):
        torch.manual_seed(stop)
        torch.set_num_threads(stop)
        with pytest.raises(Stopped):
            run_trial(again, interrupt_at(stop))
        assert not (again / RESULT).exists()
    torch.set_num_threads(1)
    run_trial(again)
    for name in (RESULT, METRICS):
        assert (again / name).read_bytes() == (folder / name).read_bytes()
    assert sorted(p.name for p in again.iterdir()) == sorted(p.name for p in folder.iterdir())


def test_a_host_with_dropout_goes_on_to_the_same_bits(trial_of, host_file):
    folder = trial_of("se@layer1", host=host_file(DROPPING), mechanisms="se@layer1")
    again = shutil.copytree(folder, folder.with_name("again"))
    run_trial(folder)
    with pytest.raises(Stopped):
        run_trial(again, interrupt_at(1))
    run_trial(again)
    assert (again / RESULT).read_bytes() == (folder / RESULT).read_bytes()


def test_what_is_in_the_folder_afterwards(trial_of):
    folder = trial_of()
    run_trial(folder)
    names = {path.name for path in folder.iterdir()}
    assert names == {SPEC, RESULT, METRICS, TIMING, MAPS, "lock"}
    result = json.loads((folder / RESULT).read_text())
    assert set(result) == {"accuracy", "loss", "by_class", "epochs", "notes"}
    assert 0 <= result["accuracy"] <= 1
    lines = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    assert lines == result["epochs"]
    assert json.loads((folder / TIMING).read_text())["seconds"] > 0


def test_a_finished_trial_is_not_run_again(trial_of):
    folder = trial_of()
    (folder / RESULT).write_text("here already")
    run_trial(folder, interrupt_at(1))
    assert (folder / RESULT).read_text() == "here already"


def test_seconds_add_up_over_interruptions(trial_of):
    folder = trial_of()
    with pytest.raises(Stopped):
        run_trial(folder, interrupt_at(1))
    (folder / TIMING).write_text('{"seconds": 1000.0}')
    run_trial(folder)
    assert 1000 < json.loads((folder / TIMING).read_text())["seconds"] < 1600


def test_a_run_leaves_the_settings_of_the_process_alone(trial_of):
    before = torch.get_rng_state(), torch.get_deterministic_debug_mode()
    run_trial(trial_of())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_deterministic_debug_mode() == before[1]


@pytest.fixture
def setting(plan, data):
    made = plan(mechanisms="se,eca,cbam,spatial_transformer,multihead")
    return Setting.of(made, open_task(made.data))


def host_of(model):
    return {k: v for k, v in model.state_dict().items() if ".regard." not in f".{k}"}


@pytest.mark.parametrize("host", ["small", "factory"])
def test_one_seed_gives_all_arms_the_same_host(setting, host_file, host):
    if host == "factory":
        made = replace(setting.plan, host=host_file(DROPPING), mechanisms="se@layer1,eca@layer2")
        setting = replace(setting, plan=made)
    arms = parse_arms(setting.plan.mechanisms)
    hosts = [host_of(build(setting.spec(arm, 4), setting.task)[0]) for arm in arms]
    other = host_of(build(setting.spec(arms[0], 5), setting.task)[0])
    for found in hosts[1:]:
        assert found.keys() == hosts[0].keys()
        assert all(torch.equal(found[k], hosts[0][k]) for k in found)
    assert not all(torch.equal(other[k], hosts[0][k]) for k in other)


def test_a_seed_also_decides_the_mechanism(setting):
    arm = parse_arms("se")[1]

    def plugged_of(seed):
        handle = build(setting.spec(arm, seed), setting.task)[1]
        return torch.cat([p.detach().flatten() for p in handle.parameters()])

    assert torch.equal(plugged_of(0), plugged_of(0))
    assert not torch.equal(plugged_of(0), plugged_of(1))


def test_a_factory_that_draws_from_numpy_and_python_is_seeded_too(setting, host_file):
    host = host_file(
        """
import random
import numpy as np

def build(num_classes, in_channels):
    net = nn.Sequential(nn.Flatten(), nn.Linear(64 * in_channels, num_classes))
    nn.init.constant_(net[1].bias, random.random() + np.random.rand())
    return net
"""
    )
    setting = replace(setting, plan=replace(setting.plan, host=host, mechanisms="se@0"))
    plain = Arm(label="none")
    biases = [build(setting.spec(plain, seed), setting.task)[0][1].bias[0] for seed in (0, 0, 1)]
    assert biases[0] == biases[1] != biases[2]


def test_grey_images_reach_a_host_that_takes_three_channels_only(trial_of, host_file):
    host = host_file(
        """
def build(num_classes):
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Linear(8, num_classes))
"""
    )
    folder = trial_of("se@0", host=host, mechanisms="se@0")
    run_trial(folder)
    assert Spec.load(folder).task["channels"] == 3
    assert (folder / RESULT).exists()


def test_code_that_has_changed_since_is_not_run(trial_of, host_file, tmp_path):
    folder = trial_of("se@layer1", host=host_file(DROPPING), mechanisms="se@layer1")
    with (tmp_path / "net.py").open("a") as file:
        file.write("# other code\n")
    with pytest.raises(RegardError, match="run the same compare again"):
        run_trial(folder)
    assert not (folder / RESULT).exists()


def test_a_loss_that_is_not_finite_leaves_no_result(trial_of):
    folder = trial_of(budget=Budget(epochs=2, batch=8, rate=1e30))
    with pytest.raises(RegardError, match="no longer finite"):
        run_trial(folder)
    assert not (folder / RESULT).exists()


def test_missing_images_are_named(trial_of):
    folder = trial_of()
    shutil.rmtree(folder.parent.parent / "data")
    with pytest.raises(RegardError, match="does not hold prepared images"):
        run_trial(folder)


@pytest.mark.parametrize(
    ("arm", "kinds", "site"),
    [
        ("se", {"gate"}, "layer1.0.bn2"),
        ("cbam", {"gate"}, "layer1.0.bn2"),
        ("spatial_transformer", {"theta"}, "stem.conv"),
        ("multihead", {"weights"}, "layer3.0"),
    ],
)
def test_what_a_mechanism_attended_to_is_kept_under_its_site(trial_of, arm, kinds, site):
    folder = trial_of(arm, mechanisms=arm)
    run_trial(folder)
    with safe_open(folder / MAPS, framework="np") as file:
        keys = list(file.keys())
        assert all(len(file.get_tensor(key)) == 2 for key in keys)  # one image a class
        assert json.loads(file.metadata()["images"]) == [0, 1]
    assert {key.split("/")[1] for key in keys} == kinds
    assert site in {key.split("/", 2)[2] for key in keys}


def test_the_shown_images_are_the_first_of_each_class(tmp_path, write_stripes):
    images = load_images(write_stripes(tmp_path, classes=3, test=9))
    assert shown_images(images) == [0, 1, 2]
    only = replace(images, test=images.test.take(images.test.labels != 1), fingerprint="")
    assert [only.test.labels[i] for i in shown_images(only)] == [0, 2]


def test_a_collapsed_localiser_is_noted():
    eye = torch.eye(2, 3).repeat(4, 1, 1)
    kept = Map("stem.conv", "theta", eye, (8, 8))
    small = Map("stem.conv", "theta", 0.05 * eye, (8, 8))
    outside = Map("stem.conv", "theta", eye + 10, (8, 8))
    broken = Map("stem.conv", "theta", eye * float("nan"), (8, 8))
    assert attended._warnings([kept]) == []
    for bad in (small, outside, broken):
        (note,) = attended._warnings([bad])
        assert "the localiser at stem.conv has collapsed" in note


def test_slow_parts_of_a_card_slow_the_mechanism_and_not_the_host(setting, monkeypatch):
    arm = parse_arms("se@layer1.*.conv1")[1]
    spec = setting.spec(arm, 0)
    model, _ = build(spec, setting.task)
    card = replace(module.card("se"), slow={"expand": 0.5, "weight": 0.1})
    monkeypatch.setattr(module, "card", lambda name: card)
    place = "layer1.0.conv1.regard.after.mechanism"
    assert module.slow_parts(spec, model) == pytest.approx(
        {
            f"{place}.reduce.weight": 0.1,
            f"{place}.expand.weight": 0.05,
            f"{place}.expand.bias": 0.5,
        }
    )
