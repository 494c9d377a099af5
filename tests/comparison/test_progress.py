import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from regard.comparison.executors import Event
from regard.comparison.grid import Grid
from regard.comparison.progress import Progress, clock_text
from regard.comparison.reading import read_grid
from regard.comparison.spec import METRICS, RESULT


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def grid(finished):
    """The finished comparison with its results put aside."""
    facts = read_grid(finished)
    made = Grid(finished, facts, {arm["label"]: 2 for arm in facts["arms"]})
    for path in made.folders():
        (path / RESULT).rename(path / "aside")
        (path / METRICS).unlink()
    return made


def console(terminal=False, width=120):
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None)


def finish(trial: Path):
    (trial / "aside").rename(trial / RESULT)


def train(trial: Path, epochs: int):
    (trial / METRICS).write_text("".join(f'{{"epoch": {i + 1}}}\n' for i in range(epochs)))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.0, ", 0:00 left"),
        (59.4, ", 0:59 left"),
        (59.6, ", 1:00 left"),
        (3599.7, ", 1:00:00 left"),
        (7384.0, ", 2:03:04 left"),
    ],
)
def test_time_is_written_as_on_a_clock(seconds, text):
    assert clock_text(seconds) == text


def run_one(progress, grid, clock, trial, seconds):
    progress(Event("started", trial), grid)
    clock.now += seconds
    finish(trial)
    progress(Event("finished", trial), grid)


def test_time_left_is_known_from_the_first_finished_trial_on(grid, clock):
    progress = Progress(console(), clock)
    trials = grid.waiting()
    assert progress.left(grid) is None
    progress(Event("started", trials[0]), grid)
    progress(Event("tick"), grid)
    assert progress.left(grid) is None
    clock.now += 10
    finish(trials[0])
    progress(Event("finished", trials[0]), grid)
    assert progress.left(grid) == pytest.approx(10 * 17)


def test_each_arm_has_its_own_pace_and_epochs(grid, clock):
    epochs = {**grid.epochs, "none, longer": 10}
    grid = Grid(grid.folder, grid.facts, epochs)
    progress = Progress(console(), clock)
    run_one(progress, grid, clock, grid.trials["none", 0], 4)  # 2 s an epoch
    run_one(progress, grid, clock, grid.trials["none, longer", 0], 40)  # 4 s an epoch
    # left: none 4 s, longer 40 s, and 14 trials of other arms with 2 epochs at 3 s
    assert progress.left(grid) == pytest.approx(4 + 40 + 14 * 2 * 3)


def test_workers_share_what_is_left(grid, clock):
    progress = Progress(console(), clock)
    first, second, *_ = grid.waiting()
    progress(Event("started", first), grid)
    progress(Event("started", second), grid)
    clock.now += 10
    finish(first)
    progress(Event("finished", first), grid)
    # 16 waiting trials of 10 s, and the second one, which must be nearly done by now
    assert progress.left(grid) == pytest.approx((160 + 5) / 2)


def test_no_trial_is_shared(grid, clock):
    progress = Progress(console(), clock)
    *others, last = grid.waiting()
    for trial in (others[0], last):
        progress(Event("started", trial), grid)
    clock.now += 10
    for trial in others:
        finish(trial)
    progress(Event("finished", others[0]), grid)
    progress.running[last] = (clock.now, 0)
    assert progress.left(grid) == pytest.approx(10)


def test_epochs_that_are_done_do_not_count(grid, clock):
    progress = Progress(console(), clock)
    first, second, *others = grid.waiting()
    run_one(progress, grid, clock, first, 10)
    for trial in others:
        finish(trial)
    assert progress.left(grid) == pytest.approx(10)
    progress(Event("started", second), grid)
    clock.now += 5
    train(second, 1)
    assert progress.left(grid) == pytest.approx(5)
    clock.now += 3
    assert progress.left(grid) == pytest.approx(2)
    clock.now += 300
    assert progress.left(grid) == pytest.approx(0)


def test_a_trial_that_went_on_from_its_checkpoint_has_the_pace_of_what_it_did_now(grid, clock):
    progress = Progress(console(), clock)
    first = grid.waiting()[0]
    train(first, 1)
    run_one(progress, grid, clock, first, 10)
    assert progress.paces[grid.name_of(first)[0]] == [10.0]


def test_a_trial_started_again_is_timed_again(grid, clock):
    progress = Progress(console(), clock)
    first = grid.waiting()[0]
    progress(Event("started", first), grid)
    clock.now += 1000
    run_one(progress, grid, clock, first, 10)
    assert progress.paces[grid.name_of(first)[0]] == [5.0]


def test_a_log_has_a_line_for_each_trial(grid, clock):
    shown = console()
    with Progress(shown, clock) as progress:
        progress(Event("preparing", message="measuring se"), None)
        first, second, *_ = grid.waiting()
        run_one(progress, grid, clock, first, 10)
        progress(Event("started", second), grid)
        progress(Event("tick"), grid)
        progress(Event("failed", second, "ValueError: \x1b[2Jno"), grid)
    accuracy = json.loads((first / RESULT).read_text())["accuracy"]
    (label, seed), (other, other_seed) = grid.name_of(first), grid.name_of(second)
    assert shown.file.getvalue().splitlines() == [
        f"[1/18, 2:50 left] {label}, seed {seed}: {100 * accuracy:.2f} %",
        f"[1/18, 2:50 left] failed: {other}, seed {other_seed}: ValueError: \\x1b[2Jno",
    ]


def test_trials_of_an_earlier_run_are_counted(grid, clock):
    shown = console()
    first, second, *_ = grid.waiting()
    finish(first)
    with Progress(shown, clock) as progress:
        run_one(progress, grid, clock, second, 1)
    assert shown.file.getvalue().startswith("[2/18")


def test_an_executor_that_announces_no_start_is_borne(grid, clock):
    progress = Progress(console(), clock)
    first = grid.waiting()[0]
    finish(first)
    progress(Event("finished", first), grid)
    assert progress.done == {first}


def drawn(progress, grid):
    """The table that a terminal would show."""
    shown = console(width=200)
    shown.print(progress._table(grid, progress.known))
    return shown.file.getvalue()


def test_a_terminal_shows_table_time_running_and_failed(grid, clock):
    shown = console(terminal=True)
    with Progress(shown, clock) as progress:
        progress(Event("preparing", message="measuring se"), None)
        assert "preparing: measuring se" in shown.file.getvalue()
        first, second, third, *_ = grid.waiting()
        run_one(progress, grid, clock, first, 10)
        progress(Event("started", second), grid)
        train(second, 1)
        progress(Event("failed", third, "no [red]luck[/red]"), grid)
        progress(Event("tick"), grid)
        text = drawn(progress, grid)
    assert "1 of 18 trials finished, 2:45 left" in text
    label, seed = grid.name_of(second)
    assert f"running: {label} seed {seed}, epoch 1/2" in text
    failed, failed_seed = grid.name_of(third)
    assert f"1 failed; {failed}, seed {failed_seed}: no [red]luck[/red]" in text
    assert "spatial_transformer" in text
    assert "verdict so far" in text


def test_results_are_read_again_only_when_a_trial_is_finished(grid, clock, monkeypatch):
    progress = Progress(console(), clock)
    first = grid.waiting()[0]
    run_one(progress, grid, clock, first, 10)
    before = progress.known
    progress(Event("tick"), grid)
    assert progress.known is before
    run_one(progress, grid, clock, grid.waiting()[0], 10)
    assert progress.known.done == (2, 18)
