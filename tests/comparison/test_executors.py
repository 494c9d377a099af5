import json
import os
import sys
import time
from contextlib import closing

import pytest

from regard.comparison import executors
from regard.comparison.executors import LocalExecutor, slots
from regard.errors import RegardError

STUB = """
import json, os, signal, sys, time
from pathlib import Path

for line in sys.stdin:
    folder = Path(json.loads(line))
    run = {"pid": os.getpid(), **{name: os.environ.get(name) for name in NAMES}}
    with (folder / "runs").open("a") as file:
        file.write(json.dumps(run) + "\\n")
    runs = len((folder / "runs").read_text().splitlines())
    error = None
    for order in (folder / "orders").read_text().split():
        if order == "fail":
            error = "no luck"
        elif order == "sleep":
            time.sleep(60)
        elif order == "die" or (order == "die-once" and runs == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        elif order == "crash":
            print("Traceback\\n\\nImportError: broken\\n", file=sys.stderr)
            sys.exit(3)
    print(json.dumps({"trial": str(folder), "error": error}), flush=True)
"""
NAMES = ["OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG", "PYTHONPATH"]


@pytest.fixture
def make_trials(tmp_path, monkeypatch):
    """Folders with orders for a worker that needs no PyTorch and does what they say."""
    (tmp_path / "stub.py").write_text(f"NAMES = {NAMES!r}\n{STUB}")
    monkeypatch.setattr(executors, "WORKER", (sys.executable, str(tmp_path / "stub.py")))

    def make(*orders: str, prefix: str = "trial"):
        folders = [tmp_path / f"{prefix}{i}" for i in range(len(orders))]
        for folder, order in zip(folders, orders, strict=True):
            folder.mkdir()
            (folder / "orders").write_text(order)
        return folders

    return make


def runs_of(folder):
    return [json.loads(line) for line in (folder / "runs").read_text().splitlines()]


def events_of(executor, trials):
    return [e for e in executor.run(trials) if e.kind != "tick"]


def kinds(events, trial):
    return [event.kind for event in events if event.trial == trial]


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_every_trial_is_started_and_finished_once(make_trials, workers):
    trials = make_trials(*[""] * 5)
    events = events_of(LocalExecutor(workers), trials)
    assert all(kinds(events, trial) == ["started", "finished"] for trial in trials)
    assert [e.trial for e in events if e.kind == "started"] == trials
    used = {run["pid"] for trial in trials for run in runs_of(trial)}
    assert len(used) <= min(workers, 5)


def test_nothing_to_do_starts_nothing(monkeypatch):
    monkeypatch.setattr(executors, "WORKER", ("/nowhere",))
    assert events_of(LocalExecutor(2), []) == []


def test_a_trial_given_twice_runs_once(make_trials):
    (trial,) = make_trials("")
    assert kinds(events_of(LocalExecutor(2), [trial, trial]), trial) == ["started", "finished"]


def test_a_failed_trial_does_not_stop_the_others(make_trials):
    trials = make_trials("fail", "", "")
    events = events_of(LocalExecutor(1), trials)
    assert kinds(events, trials[0]) == ["started", "failed"]
    assert [e.message for e in events if e.kind == "failed"] == ["no luck"]
    assert kinds(events, trials[2]) == ["started", "finished"]


def test_a_worker_killed_by_a_signal_is_replaced_and_its_trial_tried_again(make_trials):
    trials = make_trials("die-once", "", "")
    events = events_of(LocalExecutor(1), trials)
    assert kinds(events, trials[0]) == ["started", "started", "finished"]
    assert all(kinds(events, trial) == ["started", "finished"] for trial in trials[1:])
    first, second = runs_of(trials[0])
    assert first["pid"] != second["pid"]


def test_a_trial_that_loses_two_workers_is_reported_with_what_to_do(make_trials):
    trials = make_trials("die", "")
    events = events_of(LocalExecutor(1), trials)
    assert kinds(events, trials[0]) == ["started", "started", "failed"]
    (message,) = [e.message for e in events if e.kind == "failed"]
    assert "killed twice" in message
    assert "the same command goes on" in message
    assert "--workers 1" in message
    assert kinds(events, trials[1]) == ["started", "finished"]


def test_a_worker_that_ends_by_itself_leaves_its_last_words(make_trials):
    trials = make_trials("crash", "")
    events = events_of(LocalExecutor(1), trials)
    assert kinds(events, trials[0]) == ["started", "failed"]
    (message,) = [e.message for e in events if e.kind == "failed"]
    assert message == "its worker ended with code 3: ImportError: broken"
    assert kinds(events, trials[1]) == ["started", "finished"]


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_closing_stops_all_workers_at_once(make_trials):
    trials = make_trials("sleep", "sleep", "")
    with closing(LocalExecutor(2).run(trials)) as events:
        for event in events:
            if event.kind == "tick" and all((t / "runs").exists() for t in trials[:2]):
                break
        pids = [runs_of(trial)[0]["pid"] for trial in trials[:2]]
        assert all(map(is_there, pids))
        began = time.monotonic()
    assert not any(map(is_there, pids))
    assert time.monotonic() - began < 10
    assert not (trials[2] / "runs").exists()


def test_events_come_while_nothing_happens(make_trials):
    with closing(LocalExecutor(1).run(make_trials("sleep"))) as events:
        assert [next(events).kind for _ in range(3)] == ["started", "tick", "tick"]


def test_a_worker_has_one_thread_and_the_import_path_of_its_driver(make_trials, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.syspath_prepend("/some/folder of mine")
    (trial,) = make_trials("")
    events_of(LocalExecutor(1), [trial])
    (run,) = runs_of(trial)
    assert run["OMP_NUM_THREADS"] == "1"
    assert run["PYTHONPATH"].split(os.pathsep)[0] == "/some/folder of mine"
    assert run["CUDA_VISIBLE_DEVICES"] == os.environ.get("CUDA_VISIBLE_DEVICES")


@pytest.mark.parametrize(
    ("visible", "expected"), [("", {"0", "1"}), ("4,6", {"4", "6"}), ("GPU-x", {"GPU-x"})]
)
def test_each_worker_sees_one_gpu(make_trials, monkeypatch, visible, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    trials = make_trials("", "")
    events_of(LocalExecutor(2, "cuda"), trials)
    seen = {runs_of(trial)[0]["CUDA_VISIBLE_DEVICES"] for trial in trials}
    assert seen <= expected
    assert all(runs_of(trial)[0]["CUBLAS_WORKSPACE_CONFIG"] for trial in trials)


def test_a_folder_may_have_any_name(make_trials):
    trials = make_trials("", prefix="a\n\"b' ü €")
    assert kinds(events_of(LocalExecutor(1), trials), trials[0]) == ["started", "finished"]


def test_no_workers_are_refused_and_by_default_there_is_one_a_core():
    with pytest.raises(RegardError, match="workers is 0; it must be at least 1"):
        LocalExecutor(0)
    assert LocalExecutor().workers == slots("cpu") == len(os.sched_getaffinity(0))


def test_a_system_that_starts_no_process_is_an_error(make_trials, monkeypatch):
    trials = make_trials("")
    monkeypatch.setattr(executors, "WORKER", ("/nowhere/python",))
    with pytest.raises(RegardError, match="no worker process can be started: No such file"):
        events_of(LocalExecutor(1), trials)
