"""compare: many mechanisms, one budget, several seeds; whatever is finished is never done again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import RegardError, unwritable
from ..networks import input_channels, input_size
from ..tasks import Task, keep, open_task
from ..training.checkpoint import write_whole
from .arms import Arm
from .executors import Event, Executor, LocalExecutor
from .plan import Plan, device_of
from .reading import GRID, names_of
from .reporting import report
from .result import Comparison
from .setting import Costs, Setting
from .spec import METRICS, RESULT, forget_failure

Watch = Callable[[Event, "Grid | None"], None]
REPORT, TABLE = "report.html", "results.csv"


@dataclass(frozen=True, slots=True)
class Grid:
    """A comparison that is set up: every trial has its folder.

    Args:
        folder: of the comparison.
        facts: what is asked, as in ``comparison.json``.
        epochs: arm → epochs that it is trained for.
    """

    folder: Path
    facts: dict[str, Any]
    epochs: dict[str, int]

    @property
    def trials(self) -> dict[tuple[str, int], Path]:
        """Arm and seed → the trial's folder, seed after seed."""
        names = sorted(names_of(self.facts).items(), key=lambda item: item[0][1])
        return {name: self.folder / "trials" / key for name, key in names}

    def folders(self) -> list[Path]:
        """Folders of all trials, each once."""
        return list(dict.fromkeys(self.trials.values()))

    def waiting(self) -> list[Path]:
        """Folders of the trials that are not finished."""
        return [path for path in self.folders() if not (path / RESULT).exists()]

    def name_of(self, folder: Path) -> tuple[str, int]:
        """Arm and seed of a trial's folder."""
        return next(name for name, path in self.trials.items() if path == folder)

    def comparison(self) -> Comparison:
        """What is known so far."""
        return Comparison.of(self.folder, self.facts)


def compare(
    plan: Plan | None = None,
    *,
    out: str | Path | None = None,
    executor: Executor | None = None,
    watch: Watch | None = None,
) -> Comparison:
    """Train every arm with every seed and say what helps, by how much and how surely.

    Args:
        plan: what is asked; by default the embedded digits on the small network.
        out: the folder of the comparison, ``runs/DATA-HOST`` by default. Finished trials that are
            there already are used, also by a larger or smaller plan.
        executor: where trials run; all cores of this machine by default.
        watch: called with each event and the grid; the grid is None while it is being prepared.

    Returns:
        The comparison; ``results.csv`` and ``report.html`` are written into its folder.

    Raises:
        RegardError: if the plan cannot be carried out, or if trials failed, after all others are
            finished and written.
    """
    plan = plan or Plan()
    tell: Watch = watch or (lambda event, grid: None)
    grid = prepare(plan, out, lambda text: tell(Event("preparing", message=text), None))
    failed: dict[Path, str] = {}
    events = (executor or LocalExecutor(device=device_of(plan.device))).run(grid.waiting())
    try:
        for event in events:
            if event.kind == "failed" and event.trial is not None:
                failed[event.trial] = event.message
            tell(event, grid)
    except BaseException:
        _close(events)
        with suppress(RegardError):
            _write_results(grid)
        raise
    comparison = _write_results(grid)
    if failed:
        raise _failure(grid, failed)
    return comparison


def prepare(
    plan: Plan, out: str | Path | None = None, say: Callable[[str], None] = lambda _: None
) -> Grid:
    """Read the data, build the arms, measure their costs and make the trials' folders."""
    arms = plan.arms()
    task = _task(plan, say)
    folder = Path(out) if out is not None else Path("runs") / _folder_name(plan, task)
    setting = Setting.of(plan, task)
    _make(folder)
    keep(setting.task, folder)
    costs = setting.costs(arms, folder, say)
    arms = (*arms, *setting.controls(arms, costs))
    costs |= setting.costs(arms, folder, say)
    trials = _make_trials(folder, setting, arms)
    facts = _facts(setting, arms, trials, costs)
    _write_facts(folder, facts)
    return Grid(folder, facts, {arm.label: arm.epochs(plan.budget.epochs) for arm in arms})


def _task(plan: Plan, say: Callable[[str], None]) -> Task:
    """The data as the network takes it."""
    size, channels = plan.size, None
    if plan.kind == "images":
        size = input_size(plan.host) if size is None else size
        channels = input_channels(plan.host)
    say(f"reading {plan.data}")
    return open_task(
        plan.data, plan.reading, dim=plan.dim, size=size, channels=channels,
        validation=plan.validation, on_bad=plan.on_bad,
    )  # fmt: skip


def epochs_done(trial: Path) -> int:
    """Epochs that a trial has finished so far."""
    try:
        lines = (trial / METRICS).read_text(encoding="utf-8").splitlines()
        return int(json.loads(lines[-1])["epoch"]) if lines else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _make_trials(folder: Path, setting: Setting, arms: tuple[Arm, ...]) -> dict[str, Any]:
    """Arm → seed → key."""
    trials: dict[str, dict[str, str]] = {}
    for seed in setting.plan.seeds:
        for arm in arms:
            spec = setting.spec(arm, seed)
            key = spec.key()
            spec.save(folder / "trials" / key)
            forget_failure(folder / "trials" / key)
            trials.setdefault(arm.label, {})[str(seed)] = key
    return trials


def _facts(
    setting: Setting, arms: tuple[Arm, ...], trials: dict[str, Any], costs: Costs
) -> dict[str, Any]:
    plan, data = setting.plan, setting.task.data
    facts = {
        "arms": [asdict(arm) for arm in arms],
        "trials": trials,
        "costs": costs,
        "data": {"name": data.name, "text": data.describe(), "key": data.fingerprint},
        "kind": setting.task.kind,
        "measure": setting.task.measure,
        "answers": setting.task.answers,
        "host": plan.host,
        "start": setting.start,
        "pretrained": plan.pretrained,
        "validation": setting.task.held_out == "validation",
        "budget": asdict(plan.budget),
        "delta": plan.delta,
        "device": setting.device,
    }
    copy: dict[str, Any] = json.loads(json.dumps(facts))
    return copy


def _write_facts(folder: Path, facts: dict[str, Any]) -> None:
    write_whole(folder / GRID, json.dumps(facts, indent=1).encode())


def _write_results(grid: Grid) -> Comparison:
    """Write what is known; all three files speak of this grid, whoever else used the folder."""
    comparison = grid.comparison()
    _write_facts(grid.folder, grid.facts)
    comparison.save(grid.folder / TABLE)
    write_whole(grid.folder / REPORT, report(comparison).html().encode())
    return comparison


def _close(events: Iterator[Event]) -> None:
    close = getattr(events, "close", None)
    if close is not None:
        close()


def _failure(grid: Grid, failed: dict[Path, str]) -> RegardError:
    first = next(iter(failed))
    label, seed = grid.name_of(first)
    total, why = len(grid.trials), " ".join(failed[first].split())
    finished = sum((path / RESULT).exists() for path in grid.trials.values())
    return RegardError(
        f"{len(failed)} of {total} trials failed; {label}, seed {seed}: {why}\n"
        f"{finished} of {total} are finished and kept, see {grid.folder / REPORT}; the same "
        f"command tries the others again"
    )


def _folder_name(plan: Plan, task: Task) -> str:
    name = f"{task.data.name}-{plan.host}"
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name).strip("._") or "runs"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RegardError(f"{unwritable(folder, error)}; choose another --out") from None
