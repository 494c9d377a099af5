"""What all trials of a plan have in common: their specifications, costs and controls."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..cost import measure
from ..cost.running import call_of, forward
from ..networks import widen
from ..tasks import Task
from ..training.checkpoint import write_whole
from ..training.determinism import deterministic, seeded
from .arms import Arm, placebos
from .plan import Plan, device_of
from .spec import Spec
from .trial import build

COSTS = "costs.json"
BATCH = 32
QUICK_MS = 100.0
"""A forward that takes longer is timed less often."""

_FIELDS = {"parameters", "macs_per_sample", "latency_ms", "train_step_ms", "measured_with"}
Costs = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Setting:
    """What all trials of a plan have in common.

    Args:
        plan: what is asked.
        task: its data, on the CPU.
        device: ``cpu`` or ``cuda``.
        start: ``paper`` from scratch, ``identity`` on loaded weights.
    """

    plan: Plan
    task: Task
    device: str
    start: str

    @classmethod
    def of(cls, plan: Plan, task: Task) -> Setting:
        """The setting of a plan on its task."""
        start = "identity" if plan.pretrained else "paper"
        return cls(plan, task, device_of(plan.device), start)

    def spec(self, arm: Arm, seed: int) -> Spec:
        """The specification of one trial."""
        budget = replace(self.plan.budget, epochs=arm.epochs(self.plan.budget.epochs))
        return Spec.of(
            arm, self.task, budget, host=self.plan.host, seed=seed, device=self.device,
            pretrained=self.plan.pretrained, start=self.start,
        )  # fmt: skip

    def costs(
        self, arms: Sequence[Arm], folder: Path, say: Callable[[str], None] = lambda _: None
    ) -> Costs:
        """Parameters, MACs, latency and memory of each arm, alone on the machine; kept on disk.

        Args:
            arms: those to measure.
            folder: where ``costs.json`` lies.
            say: told before each arm that is not there yet.
        """
        known = _read(folder / COSTS)
        found = {}
        for arm in arms:
            key = replace(self.spec(arm, 0), budget={}).key()
            if key not in known:
                say(f"measuring {arm.label}")
                known[key] = self._measured(arm)
                write_whole(folder / COSTS, json.dumps(known, indent=1).encode())
            found[arm.label] = known[key]
        return found

    def controls(self, arms: Sequence[Arm], costs: Costs) -> list[Arm]:
        """The controls asked for, cut to the costliest arm."""
        names = self.plan.control_names()
        found = []
        plain = replace(arms[0], control=True)
        label = plain.label
        if "widened" in names and (width := self._width(plain, costs)) > 1:
            found.append(replace(plain, label=f"{label}, widened", width=width))
        if "longer" in names:
            factor = self._lengthened(costs[label]["train_step_ms"], costs)
            found.append(replace(plain, label=f"{label}, longer", lengthened=factor))
        return found + list(placebos(tuple(arms)) if "placebo" in names else [])

    def _width(self, plain: Arm, costs: Costs) -> float:
        """The width at which the plain network costs as much as any; 1 where it does anyway."""
        parameters = max(cost["parameters"] for cost in costs.values())
        macs = max(cost["macs_per_sample"] for cost in costs.values())
        if costs[plain.label]["parameters"] >= parameters and (
            costs[plain.label]["macs_per_sample"] >= macs
        ):
            return 1.0

        def build(width: float) -> nn.Module:
            wider = replace(plain, width=width)
            return self.task.build(wider.network(self.plan.host, self.task.kind))

        example = self.task.example(BATCH)
        return widen(build, parameters, round(macs * call_of(example).batch), example)

    def _lengthened(self, step_ms: float | None, costs: Costs) -> float:
        """How many times the epochs cost as much as the costliest arm: one epoch more at least."""
        steps = [cost["train_step_ms"] or 0.0 for cost in costs.values()]
        ratio = max(steps) / (step_ms or max(steps) or 1.0)
        epochs = self.plan.budget.epochs
        return max(math.ceil(10 * ratio) / 10, (epochs + 1) / epochs)

    def _measured(self, arm: Arm) -> dict[str, Any]:
        with deterministic(), seeded(0):
            model, _ = build(self.spec(arm, self.plan.seeds[0]), self.task)
            model.to(self.device)
            example = self.task.to(self.device).example(BATCH)
            repeats = 20 if _forward_ms(model, example) < QUICK_MS else 3
            cost = measure(model, example, threads=1, repeats=repeats)
        latency, step = cost.latency_ms, cost.train_step_ms
        return {
            "parameters": cost.parameters,
            "macs_per_sample": cost.macs_per_sample,
            "latency_ms": 0.0 if latency is None else latency.median,
            "latency_spread_ms": None if latency is None else [latency.lower, latency.upper],
            "train_step_ms": None if step is None else step.median,
            "saved_bytes": cost.saved_bytes,
            "measured_with": f"batch {cost.batch}, {cost.dtype}, {cost.device}, one thread",
        }


@torch.no_grad()
def _forward_ms(model: nn.Module, example: Any) -> float:
    model.eval()
    call = call_of(example)
    began = time.perf_counter()
    forward(model, call)
    return 1e3 * (time.perf_counter() - began)


def _read(path: Path) -> Costs:
    """What was measured before; nothing where that cannot be read: it is measured again."""
    try:
        known: Costs = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    entries = known.items() if isinstance(known, dict) else ()
    return {k: v for k, v in entries if isinstance(v, dict) and v.keys() >= _FIELDS}
