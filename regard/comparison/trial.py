"""One trial: a network trained once, in a folder of its own, from its specification alone.

The folder's ``result.json`` is written last and whole; until then a run that was stopped goes on
from its last epoch. Everything in it is the same bit for bit, however often it was stopped; times
are kept apart in ``timing.json``.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from ..catalogue import card
from ..errors import RegardError
from ..surgery import Plugged
from ..tasks import ImageTask, Task, reopen
from ..training import Budget, Run, checkpoint, train
from ..training.determinism import deterministic, seeded
from .arms import Arm
from .attended import PLUGGED, keep_maps
from .locking import alone
from .placebo import check_blind, make_placebo
from .spec import METRICS, RESULT, TIMING, Spec, is_stale

Epochs = Sequence[Mapping[str, float]]


def run_trial(folder: Path, on_epoch: Callable[[Epochs], None] | None = None) -> None:
    """Train what the folder's specification says, unless its result is there.

    Args:
        folder: a trial's folder, two levels below the comparison's.
        on_epoch: called after each epoch with all epochs done so far.

    Raises:
        RegardError: if the specification cannot be run, belongs to other code than there is now,
            or something cannot be written.
    """
    with alone(folder):
        if (folder / RESULT).exists():
            return
        spec = Spec.load(folder)
        if is_stale(spec) is not False:
            raise RegardError(
                "the code or the libraries are not those it was set up with; run the same compare "
                "again and it is set up anew"
            )
        task = reopen(folder.parent.parent, spec.data, spec.task)
        with deterministic():
            model, _ = build(spec, task)
            task = task.to(spec.device)
            run = _train(spec, model, task, folder, on_epoch)
            notes = keep_maps(model, task, folder)
        _write(folder / RESULT, {**run.facts(), "notes": notes})
        checkpoint.forget(folder)


def build(spec: Spec, task: Task) -> tuple[nn.Module, Plugged | None]:
    """The network of a specification, on the CPU; for images with what is plugged into it.

    The host is built first, so that a seed gives one host.

    Args:
        spec: of the trial.
        task: on the CPU.

    Raises:
        RegardError: if it cannot be built, or its output does not fit the task.
    """
    arm = Arm(**spec.arm)
    network = arm.network(spec.host, task.kind, spec.pretrained)
    with seeded(spec.seed):
        model = task.build(network)
    task.check(model)
    if not isinstance(task, ImageTask):
        return model, None
    example = task.example(2)
    with seeded(spec.seed + 1_000_000_007):
        plugged = arm.plug_into(model, example, spec.start)
    if plugged is not None and arm.placebo:
        make_placebo(plugged)
        check_blind(model, example, arm.label)
    return model, plugged


def _train(
    spec: Spec,
    model: nn.Module,
    task: Task,
    folder: Path,
    on_epoch: Callable[[Epochs], None] | None,
) -> Run:
    began = time.monotonic() - _seconds(folder)

    def note(epochs: Epochs) -> None:
        lines = "".join(f"{json.dumps(dict(epoch))}\n" for epoch in epochs)
        checkpoint.write_whole(folder / METRICS, lines.encode())
        _write(folder / TIMING, {"seconds": round(time.monotonic() - began, 3)})
        if on_epoch is not None:
            on_epoch(epochs)

    return train(
        model, task, budget_of(spec, model), seed=spec.seed, device=spec.device, folder=folder,
        on_epoch=note,
    )  # fmt: skip


def budget_of(spec: Spec, model: nn.Module) -> Budget:
    """The budget of a trial, with the learning rates that the mechanism's card lowers."""
    return Budget(**{**spec.budget, "slow": {**slow_parts(spec, model), **spec.budget["slow"]}})


def slow_parts(spec: Spec, model: nn.Module) -> dict[str, float]:
    """The learning rates that the mechanism's card lowers, by the parameters' full names."""
    mechanism = spec.arm["mechanism"]
    parts = {} if mechanism is None else card(mechanism).slow
    plugged = [name for name, _ in model.named_parameters() if PLUGGED in f".{name}"]
    return {
        name: math.prod(factor for part, factor in parts.items() if part in name)
        for name in plugged
        if any(part in name for part in parts)
    }


def _seconds(folder: Path) -> float:
    """How long earlier processes trained here; what they did after their last epoch is lost."""
    try:
        return float(json.loads((folder / TIMING).read_text(encoding="utf-8"))["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


def _write(path: Path, data: Mapping[str, Any]) -> None:
    checkpoint.write_whole(path, json.dumps(data, indent=1, allow_nan=False).encode())
