import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from regard.comparison import Comparison, compare
from regard.comparison.executors import Event
from regard.comparison.grid import epochs_done, prepare
from regard.comparison.reading import names_of, read_grid
from regard.comparison.spec import FAILURE, METRICS, RESULT
from regard.errors import RegardError
from regard.training import Budget

FAILS_FOR_SEED_1 = """
class Net(nn.Sequential):
    def forward(self, x):
        if self.training and torch.initial_seed() // 1_000_003 == 1 and {condition}:
            raise ValueError("seed 1 is not to my taste")
        return super().forward(x)

def build(num_classes, in_channels):
    return Net(nn.Conv2d(in_channels, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1),
               nn.Flatten(), nn.Linear(4, num_classes))
"""


def results_of(folder):
    """Arm and seed → the bytes of the result."""
    names = names_of(read_grid(folder))
    files = {name: folder / "trials" / key / RESULT for name, key in names.items()}
    return {name: file.read_bytes() for name, file in files.items() if file.exists()}


def test_a_comparison_is_trained_and_written(plan, tmp_path, in_process):
    found = compare(plan(), out=tmp_path / "out", executor=in_process)
    assert found.done == (4, 4)
    assert found.folder == tmp_path / "out"
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {
        "comparison.json",
        "costs.json",
        "data",
        "report.html",
        "results.csv",
        "trials",
    }
    assert (tmp_path / "out" / "results.csv").read_text() == found.csv()
    assert Comparison.load(tmp_path / "out").json() == found.json()


def test_without_a_folder_it_goes_beside_the_data_and_hosts_name(
    plan, tmp_path, monkeypatch, in_process
):
    monkeypatch.chdir(tmp_path)
    found = compare(plan(seeds=(0,)), executor=in_process)
    assert str(found.folder) == "runs/stripes-small"


def test_what_is_finished_is_used_when_the_grid_grows_and_shrinks(plan, tmp_path, in_process):
    compare(plan(), out=tmp_path, executor=in_process)
    before = results_of(tmp_path)
    in_process.ran.clear()
    grown = plan(mechanisms="se,eca", controls="placebo", seeds=(0, 1, 2))
    found = compare(grown, out=tmp_path, executor=in_process)
    assert found.done == (15, 15)
    assert len(in_process.ran) == 11
    after = results_of(tmp_path)
    assert all(after[name] == before[name] for name in before)
    in_process.ran.clear()
    shrunk = compare(plan(seeds=(1,)), out=tmp_path, executor=in_process)
    assert shrunk.done == (2, 2)
    assert not in_process.ran


def test_an_arm_under_another_name_is_not_trained_again(plan, tmp_path, in_process):
    compare(plan(mechanisms="stn"), out=tmp_path, executor=in_process)
    in_process.ran.clear()
    compare(plan(mechanisms="spatial_transformer"), out=tmp_path, executor=in_process)
    assert not in_process.ran


def test_another_budget_is_another_comparison(plan, tmp_path, in_process):
    compare(plan(seeds=(0,)), out=tmp_path, executor=in_process)
    in_process.ran.clear()
    other = plan(seeds=(0,), budget=Budget(epochs=1, batch=8))
    compare(other, out=tmp_path, executor=in_process)
    assert len(in_process.ran) == 2


def test_callers_hear_of_everything(plan, tmp_path, in_process):
    heard = []
    compare(
        plan(seeds=(0,)), out=tmp_path, executor=in_process,
        watch=lambda event, grid: heard.append((event.kind, event.message, grid is None)),
    )  # fmt: skip
    kinds = [kind for kind, _, _ in heard]
    assert kinds == [*["preparing"] * 3, "started", "finished", "started", "finished"]
    assert [message for _, message, early in heard if early][1:] == [
        "measuring none",
        "measuring se",
    ]


def test_a_failed_trial_stops_no_other_and_is_tried_again(plan, tmp_path, host_file, in_process):
    flag = tmp_path / "mended"
    condition = f"not __import__('os').path.exists({str(flag)!r})"
    host = host_file(FAILS_FOR_SEED_1.format(condition=condition))
    asked = plan(host=host, mechanisms="se@1", seeds=(0, 1, 2))
    with pytest.raises(RegardError) as error:
        compare(asked, out=tmp_path / "out", executor=in_process)
    lines = str(error.value).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(
        "2 of 6 trials failed; none, seed 1: ValueError: seed 1 is not to my taste (see "
    )
    assert lines[1].startswith("4 of 6 are finished and kept")
    assert len(results_of(tmp_path / "out")) == 4
    text = (tmp_path / "out" / "report.html").read_text()
    assert "none, seed 1 failed: ValueError: seed 1 is not to my taste" in text
    assert len(list((tmp_path / "out").rglob(FAILURE))) == 2
    flag.touch()
    in_process.ran.clear()
    found = compare(asked, out=tmp_path / "out", executor=in_process)
    assert found.done == (6, 6)
    assert len(in_process.ran) == 2
    assert not list((tmp_path / "out").rglob(FAILURE))


def test_a_loss_that_is_not_finite_names_arm_and_seed(plan, tmp_path, in_process):
    wild = plan(budget=Budget(epochs=1, batch=8, rate=1e30), seeds=(3,))
    with pytest.raises(RegardError, match=r"none, seed 3: the loss is no longer finite in epoch 1"):
        compare(wild, out=tmp_path, executor=in_process)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_what_is_finished_is_written_when_the_driver_is_interrupted(
    plan, tmp_path, in_process, kind
):
    closed = []

    class Interrupted:
        def run(self, trials):
            try:
                yield from in_process.run(trials[:2])
                raise kind
            finally:
                closed.append(True)

    with pytest.raises(kind):
        compare(plan(), out=tmp_path, executor=Interrupted())
    assert closed
    assert Comparison.load(tmp_path).done == (2, 4)
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 3
    assert "2 of 4 trials are finished" in (tmp_path / "report.html").read_text()


def test_an_executor_is_closed_when_the_watcher_fails(plan, tmp_path):
    closed = []

    class Endless:
        def run(self, trials):
            try:
                while True:
                    yield Event("tick")
            finally:
                closed.append(True)

    def watch(event, grid):
        if event.kind == "tick":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(plan(), out=tmp_path, executor=Endless(), watch=watch)
    assert closed


def test_an_executor_may_be_a_plain_iterator(plan, tmp_path):
    class Nothing:
        def run(self, trials):
            return iter(())

    assert compare(plan(), out=tmp_path, executor=Nothing()).done == (0, 4)


def test_two_plans_on_one_folder_do_not_mix(plan, tmp_path, in_process):
    """Another driver changes comparison.json while this one trains."""

    class Disturbed:
        def run(self, trials):
            yield from in_process.run(trials[:1])
            compare(plan(mechanisms="eca"), out=tmp_path, executor=in_process)
            yield from in_process.run(trials[1:])

    found = compare(plan(mechanisms="se"), out=tmp_path, executor=Disturbed())
    assert [arm.label for arm in found.arms] == ["none", "se"]
    assert found.done == (4, 4)
    assert Comparison.load(tmp_path).json() == found.json()
    assert (tmp_path / "results.csv").read_text() == found.csv()


def test_epochs_are_counted_from_whole_lines(tmp_path):
    assert epochs_done(tmp_path) == 0
    for text, epochs in (("", 0), ('{"epoch": 1}\n{"epoch": 2}\n', 2), ("{", 0), ("3", 0)):
        (tmp_path / METRICS).write_text(text)
        assert epochs_done(tmp_path) == epochs


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_a_folder_that_cannot_be_made_names_the_option(plan, tmp_path, out):
    (tmp_path / "file").write_text("")
    with pytest.raises(RegardError, match=r"file.* cannot be written: .*; choose another --out"):
        prepare(plan(), tmp_path / out)


def test_a_bad_value_is_said_before_anything_is_trained(plan, tmp_path):
    for asked, said in (
        (plan(mechanisms="se(reduction=0)"), "se(reduction=0)"),
        (plan(mechanisms="se@nowhere.*"), "at='nowhere.*' matches no module"),
        (plan(host="small_net"), "no network is called 'small_net'"),
        (plan(host="nowhere:build", mechanisms="se@0"), "cannot import nowhere"),
    ):
        with pytest.raises(RegardError) as error:
            prepare(asked, tmp_path)
        assert said in str(error.value)
    assert not (tmp_path / "trials").exists()


@pytest.mark.parametrize("name", ["comparison.json", "costs.json", "results.csv", "report.html"])
def test_a_file_that_cannot_be_written_is_named(plan, tmp_path, in_process, name):
    (tmp_path / name).mkdir()
    with pytest.raises(RegardError, match=f"{name} cannot be written: Is a directory"):
        compare(plan(seeds=(0,)), out=tmp_path, executor=in_process)


def test_a_full_disk_loses_nothing_and_the_same_command_goes_on(
    plan, tmp_path, small_disk, in_process
):
    asked = plan(mechanisms="stn", budget=Budget(epochs=3, batch=8))
    expected = compare(asked, out=tmp_path / "plenty", executor=in_process)
    disk = small_disk("1400k")  # one checkpoint of 0.9 MB at a time, but not two
    with pytest.raises(RegardError) as error:
        compare(asked, out=disk / "out", executor=in_process)
    assert "No space left on device; free some space" in str(error.value)
    assert str(disk) in str(error.value)
    for path in disk.rglob(RESULT):
        json.loads(path.read_text())
    assert not [p for p in disk.rglob(".*") if p.is_file()]
    subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
    found = compare(asked, out=disk / "out", executor=in_process)
    assert found.values == expected.values
    assert results_of(disk / "out") == results_of(tmp_path / "plenty")


COST = {
    "parameters": 1, "macs_per_sample": 1.0, "latency_ms": 1.0, "train_step_ms": 1.0,
    "measured_with": "nothing",
}  # fmt: skip


@pytest.mark.parametrize("kilobytes", [4, 12, 20, 40, 100])
def test_a_disk_too_small_to_begin_is_one_clear_error(plan, small_disk, in_process, kilobytes):
    disk = small_disk(f"{kilobytes}k")
    with pytest.raises(RegardError) as error:
        compare(plan(), out=disk / "out", executor=in_process)
    assert str(disk) in str(error.value)
    assert len(str(error.value).splitlines()) <= 3
    assert not list(disk.rglob(RESULT))


def test_a_disk_that_may_only_be_read_is_one_clear_error(plan, small_disk, in_process):
    disk = small_disk("1m", "ro")
    with pytest.raises(RegardError, match=r"Read-only file system.*choose another --out"):
        compare(plan(), out=disk / "out", executor=in_process)


def test_a_finished_comparison_on_a_disk_that_may_only_be_read(plan, small_disk, in_process):
    disk = small_disk("20m")
    compare(plan(), out=disk, executor=in_process)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    assert Comparison.load(disk).done == (4, 4)
    with pytest.raises(RegardError, match=r"cannot be written: Read-only file system"):
        compare(plan(seeds=(0, 1, 2)), out=disk, executor=in_process)


DRIVER = """
import json, sys
from pathlib import Path
from regard.comparison import Plan, compare
from regard.comparison.executors import LocalExecutor
from regard.comparison.setting import Setting
from regard.training import Budget

facts, out, cost, workers = json.loads(sys.argv[1])
Setting._measured = lambda *_: cost
plan = Plan(**{**facts, "seeds": tuple(facts["seeds"]), "budget": Budget(**facts["budget"])})
compare(plan, out=out, executor=LocalExecutor(workers))
"""


@pytest.fixture
def undisturbed(plan, tmp_path, in_process):
    """What is to come out, trained here; and a way to start a driver of its own on it."""

    def make(**given):
        asked = plan(**given)
        compare(asked, out=tmp_path / "undisturbed", executor=in_process)
        facts = {
            "data": asked.data, "mechanisms": asked.mechanisms, "controls": asked.controls,
            "seeds": asked.seeds, "budget": {"epochs": asked.budget.epochs, "batch": 8},
        }  # fmt: skip

        def start(workers=2):
            arguments = json.dumps([facts, str(tmp_path / "out"), COST, workers])
            command = [sys.executable, "-c", DRIVER, arguments]
            return subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)

        return results_of(tmp_path / "undisturbed"), start, tmp_path / "out"

    return make


def wait_until(condition, seconds=60.0):
    for _ in range(int(seconds * 20)):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("it did not happen")


def workers_of(driver):
    """The process ids of a driver's children."""
    found = []
    for path in (f"/proc/{t}/children" for t in tasks(driver.pid)):
        with open(path, encoding="ascii") as file:
            found += [int(pid) for pid in file.read().split()]
    return found


def tasks(pid):
    try:
        return [f"{pid}/task/{task}" for task in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []


def is_there(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs /proc")


@needs_proc
def test_a_killed_driver_loses_nothing_and_another_executor_ends_it(undisturbed, plan, in_process):
    asked = {"seeds": (0,), "budget": Budget(epochs=8, batch=8)}
    expected, start, out = undisturbed(**asked)
    with start(1) as driver:
        wait_until(lambda: any(out.rglob(RESULT)))
        (orphan,) = workers_of(driver)
        os.kill(driver.pid, signal.SIGKILL)
        wait_until(lambda: not is_there(orphan), 15)
    kept = results_of(out)
    assert kept
    assert all(expected[name] == kept[name] for name in kept)
    compare(plan(**asked), out=out, executor=in_process)
    assert results_of(out) == expected


@pytest.mark.slow
def test_two_drivers_on_one_folder(undisturbed):
    expected, start, out = undisturbed(mechanisms="se", seeds=(0, 1))
    with start() as one, start() as other:
        assert one.wait(120) == 0, one.stderr.read().decode()
        assert other.wait(120) == 0, other.stderr.read().decode()
    assert results_of(out) == expected
    assert Comparison.load(out).done == (4, 4)


@needs_proc
@pytest.mark.slow
def test_killed_at_any_moment_it_ends_with_the_same_bits(undisturbed):
    generator = random.Random(0)
    expected, start, out = undisturbed(
        mechanisms="se,stn", controls="placebo", seeds=(0, 1), budget=Budget(epochs=12, batch=8)
    )
    finished: dict = {}
    for kill in range(24):
        with start() as driver:
            time.sleep(generator.uniform(0.5, 12))
            victims = [driver.pid] if kill % 2 else workers_of(driver) or [driver.pid]
            victim = generator.choice(victims)
            os.kill(victim, signal.SIGKILL)
            if victim != driver.pid:
                time.sleep(generator.uniform(0, 3))
                os.kill(driver.pid, signal.SIGKILL)
        now = results_of(out) if (out / "comparison.json").exists() else {}
        assert all(now[name] == finished[name] for name in finished)
        assert all(expected[name] == now[name] for name in now)
        finished = now
    with start() as driver:
        assert driver.wait(300) == 0, driver.stderr.read().decode()
    assert results_of(out) == expected
