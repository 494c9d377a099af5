"""What all trials of a plan have in common: their specifications, costs and controls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..cost import measure
from ..data import Images
from ..errors import RegardError
from ..networks import build_host, input_channels, widen
from ..training.checkpoint import write_whole
from .arms import PLAIN, Arm, parse_controls, placebos
from .plan import Plan, device_of
from .spec import Spec, code_fingerprint, library_versions
from .trial import build, example_of

BATCH = 32


@dataclass(frozen=True, slots=True)
class Setting:
    """What all trials of a plan have in common."""

    plan: Plan
    images: Images
    channels: int
    device: str
    start: str

    @classmethod
    def of(cls, plan: Plan, images: Images) -> Setting:
        """The setting of a plan on its images."""
        channels = images.train.images.shape[1]
        wanted = input_channels(plan.host)
        if wanted is not None and channels not in (1, wanted):
            raise RegardError(f"{plan.host} takes {wanted} channels; {images.name} has {channels}")
        start = "identity" if plan.pretrained else "paper"
        return cls(plan, images, wanted or channels, device_of(plan.device), start)

    def spec(self, arm: Arm, seed: int) -> Spec:
        """The specification of one trial."""
        budget = replace(self.plan.budget, epochs=arm.epochs(self.plan.budget.epochs))
        return Spec(
            arm=asdict(arm),
            host=self.plan.host,
            pretrained=self.plan.pretrained,
            start=self.start,
            classes=len(self.images.classes),
            channels=self.channels,
            size=self.images.train.images.shape[-1],
            seed=seed,
            budget=asdict(budget),
            device=self.device,
            data=self.images.fingerprint,
            code=code_fingerprint(arm.mechanism, self.plan.host),
            versions=library_versions(self.plan.host),
        )

    def costs(self, arms: Sequence[Arm], folder: Path) -> dict[str, Any]:
        """Parameters, MACs, latency and memory of each arm, alone on the machine; kept on disk."""
        path = folder / "costs.json"
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        found = {}
        for arm in arms:
            key = replace(self.spec(arm, 0), budget={}).key()
            if key not in known:
                known[key] = self._measured(arm)
                write_whole(path, json.dumps(known, indent=1).encode())
            found[arm.label] = known[key]
        return found

    def controls(self, arms: Sequence[Arm], costs: dict[str, Any]) -> list[Arm]:
        """The controls asked for, cut to the costliest arm."""
        text = self.plan.controls
        if text == "auto":
            text = "widened" if self.plan.host == "small" else "none"
        names = parse_controls(text)
        found = []
        if "widened" in names:
            found.append(Arm(label=f"{PLAIN}, widened", width=self._width(costs), control=True))
        if "longer" in names:
            most = max(cost["train_step_ms"] for cost in costs.values())
            factor = round(most / costs[PLAIN]["train_step_ms"], 1)
            found.append(Arm(label=f"{PLAIN}, longer", lengthened=max(1.0, factor), control=True))
        return found + list(placebos(tuple(arms)) if "placebo" in names else [])

    def _width(self, costs: dict[str, Any]) -> float:
        if self.plan.host != "small":
            raise RegardError(
                f"the widened control needs --on small; {self.plan.host} has no width: use longer"
            )
        parameters = max(cost["parameters"] for cost in costs.values())
        macs = max(cost["macs_per_sample"] for cost in costs.values())
        example = example_of(self.images, self.channels, 1)
        return widen(self._host, parameters, int(macs), example)

    def _host(self, width: float) -> nn.Module:
        return build_host(
            self.plan.host, classes=len(self.images.classes), channels=self.channels,
            size=self.images.train.images.shape[-1], width=width,
        )  # fmt: skip

    def _measured(self, arm: Arm) -> dict[str, Any]:
        with torch.random.fork_rng(devices=[]):
            model, _ = build(self.spec(arm, self.plan.seeds[0]), self.images)
        example = example_of(self.images, self.channels, BATCH)
        cost = measure(model, example, threads=1)
        times = (cost.latency_ms, cost.train_step_ms)
        latency, step = (t.median if t is not None else float("nan") for t in times)
        return {
            "parameters": cost.parameters,
            "macs_per_sample": cost.macs_per_sample,
            "latency_ms": latency,
            "latency_spread_ms": None if times[0] is None else [times[0].lower, times[0].upper],
            "train_step_ms": step,
            "saved_bytes": cost.saved_bytes,
            "measured_with": f"batch {cost.batch}, {cost.dtype}, {cost.device}, one thread",
        }
