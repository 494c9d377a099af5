"""compare: many mechanisms, one budget, several seeds; whatever is finished is never done again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..data import Images, load_images
from ..errors import RegardError
from ..networks import input_size
from ..training.checkpoint import write_whole
from .arms import Arm, parse_arms
from .executors import Event, Executor, LocalExecutor
from .plan import Plan, device_of
from .reporting import report
from .result import GRID, Comparison
from .setting import Setting
from .spec import FAILURE, METRICS, RESULT

Watch = Callable[[Event, "Grid"], None]


@dataclass(frozen=True, slots=True)
class Grid:
    """A comparison that is set up: every trial has its folder."""

    folder: Path
    images: Images
    arms: tuple[Arm, ...]
    trials: dict[tuple[str, int], Path]
    epochs: dict[str, int]

    def waiting(self) -> list[Path]:
        """Folders of the trials that are not finished, seed after seed."""
        return [path for path in self.trials.values() if not (path / RESULT).exists()]

    def name_of(self, folder: Path) -> tuple[str, int]:
        """Arm and seed of a trial's folder."""
        return next(name for name, path in self.trials.items() if path == folder)


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
        watch: called with each event and the grid.

    Returns:
        The comparison; ``results.csv`` and ``report.html`` are written into its folder.

    Raises:
        RegardError: if the plan cannot be carried out, or if trials failed, after all others are
            finished and written.
    """
    plan = plan or Plan()
    grid = prepare(plan, out)
    failed: dict[Path, str] = {}
    events = (executor or LocalExecutor(device=device_of(plan.device))).run(grid.waiting())
    try:
        for event in events:
            if event.kind == "failed" and event.trial is not None:
                failed[event.trial] = event.message
            if watch is not None:
                watch(event, grid)
    finally:
        events.close()  # type: ignore[attr-defined]
        if any((path / RESULT).exists() for path in grid.trials.values()):
            _write_results(grid.folder)
    if failed:
        raise _failure(grid, failed)
    return Comparison.load(grid.folder)


def prepare(plan: Plan, out: str | Path | None = None) -> Grid:
    """Read the data, build the arms, measure their costs and make the trials' folders."""
    arms = parse_arms(plan.mechanisms)
    size = plan.size or input_size(plan.host)
    images = load_images(
        plan.data, size=size, seed=0, validation=plan.validation, on_bad=plan.on_bad
    )
    folder = Path(out) if out is not None else Path("runs") / _folder_name(plan, images)
    setting = Setting.of(plan, images)
    _make(folder)
    images.save(folder / "data" / images.fingerprint[:16])
    costs = setting.costs(arms, folder)
    arms = (*arms, *setting.controls(arms, costs))
    costs |= setting.costs(arms, folder)
    trials: dict[tuple[str, int], Path] = {}
    described: dict[str, dict[str, str]] = {}
    for seed in plan.seeds:
        for arm in arms:
            spec = setting.spec(arm, seed)
            path = folder / "trials" / spec.key()
            spec.save(path)
            (path / FAILURE).unlink(missing_ok=True)
            trials[arm.label, seed] = path
            described.setdefault(arm.label, {})[str(seed)] = spec.key()
    epochs = {arm.label: arm.epochs(plan.budget.epochs) for arm in arms}
    grid = Grid(folder, images, arms, trials, epochs)
    _write(
        folder / GRID,
        {
            "arms": [asdict(arm) for arm in arms],
            "trials": described,
            "costs": costs,
            "data": {"name": images.name, "text": images.describe(), "key": images.fingerprint},
            "host": plan.host,
            "start": setting.start,
            "pretrained": plan.pretrained,
            "budget": asdict(plan.budget),
            "delta": plan.delta,
            "device": setting.device,
        },
    )
    return grid


def epochs_done(trial: Path) -> int:
    """Epochs that a trial has finished so far."""
    try:
        lines = (trial / METRICS).read_text(encoding="utf-8").splitlines()
        return int(json.loads(lines[-1])["epoch"]) if lines else 0
    except (OSError, ValueError, KeyError):
        return 0


def _write_results(folder: Path) -> None:
    comparison = Comparison.load(folder)
    comparison.save(folder / "results.csv")
    report(comparison).write_html(folder / "report.html")


def _failure(grid: Grid, failed: dict[Path, str]) -> RegardError:
    first = next(iter(failed))
    label, seed = grid.name_of(first)
    finished = sum((path / RESULT).exists() for path in grid.trials.values())
    return RegardError(
        f"{len(failed)} of {len(grid.trials)} trials failed; {label}, seed {seed}: "
        f"{failed[first]}\n{finished} are finished and kept in {grid.folder}"
    )


def _folder_name(plan: Plan, images: Images) -> str:
    name = f"{images.name}-{plan.host}"
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name).strip("._") or "runs"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RegardError(
            f"{folder} cannot be made: {error.strerror}; choose another --out"
        ) from None


def _write(path: Path, data: Any) -> None:
    write_whole(path, json.dumps(data, indent=1).encode())
