"""What can be asked of a comparison."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from ..errors import RegardError
from ..tasks import Network, Reading
from ..tasks.reading import kind_of, measure_of
from ..training import Budget
from .arms import Arm, parse_arms, parse_controls, placebos
from .recipes import recipe_for

OWN: Any = None
"""The default of what each task has its own default of; see :mod:`regard.comparison.recipes`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is asked of a comparison.

    Args:
        data: ``digits``, ``translation``, ``dates``, ``tagging``, ``classification``, or a path.
        reading: which task a path is for, and how its text is read, where that is not told by its
            form.
        host: the network; for images ``small``, ``timm:NAME``, ``torchvision:NAME``,
            ``module:factory``; for text one of :data:`regard.tasks.network.NETWORKS`, with options:
            ``gru(dim=96)``. By default the task's own.
        mechanisms: the arms, as :func:`regard.comparison.arms.parse_arms` reads them. By default
            the task's own.
        controls: of ``widened``, ``longer``, ``placebo``; or ``none``; ``auto`` is ``widened`` on
            the small network and for tagging, and ``none`` on others.
        seeds: each arm is trained once with each; by default as many as the task needs.
        budget: for all arms alike; by default the task's own.
        dim: width of the networks for text that say none; by default the task's own.
        size: side of the images; by default what the network expects, else what the data has.
        validation: share of the training data held out for choices.
        pretrained: start from published weights; mechanisms then start as the identity.
        delta: largest difference in the measure that does not matter, a fraction.
        on_bad: ``error`` or ``skip`` for what cannot be read.
        device: ``auto``, ``cpu`` or ``cuda``.
        kind: the task, told by the data: ``images``, ``translation``, ``tagging`` or
            ``classification``.

    Raises:
        RegardError: for what cannot be asked, or data that does not tell its task; data and
            network are looked at later.
    """

    data: str = "digits"
    reading: Reading = field(default_factory=Reading)
    host: str = OWN
    mechanisms: str = OWN
    controls: str = "auto"
    seeds: tuple[int, ...] = OWN
    budget: Budget = OWN
    dim: int = OWN
    size: int | None = None
    validation: float = 0.0
    pretrained: bool = False
    delta: float = 0.005
    on_bad: Literal["error", "skip"] = "error"
    device: str = "auto"
    kind: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", kind_of(self.data, self.reading))
        recipe = recipe_for(self.data, self.kind)
        for name in ("host", "mechanisms", "seeds", "budget", "dim"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, getattr(recipe, name))
        seeds = tuple(self.seeds)
        if not seeds or len(set(seeds)) < len(seeds) or not all(map(_is_seed, seeds)):
            raise RegardError(f"seeds are {seeds}; give different whole numbers, 0 or more")
        if not 0 < self.delta < 1:
            points = f"{100 * self.delta:g} points"
            raise RegardError(f"delta is {points}; it must lie between 0 and 100 points")
        measure_of(self.data, self.reading)
        self._check_reading()
        self._check_networks()
        device_of(self.device)

    def arms(self) -> tuple[Arm, ...]:
        """The arms, the one that the others are compared with first."""
        return parse_arms(self.mechanisms, self.kind)

    def control_names(self) -> tuple[str, ...]:
        """The controls that are asked for."""
        usual = recipe_for(self.data, self.kind).controls
        auto = usual if self._widens() else "none"
        return parse_controls(auto if self.controls == "auto" else self.controls)

    def _widens(self) -> bool:
        return self.host == "small" or self.kind != "images"

    def _check_reading(self) -> None:
        """Refuse what would be said in vain."""
        texts = ("target", "columns", "reverse", "test", "unit", "tokens", "longest")
        if self.kind == "images":
            given = [name for name in texts if getattr(self.reading, name)]
        else:
            given = ["size"] if self.size is not None else []
        if given:
            other = "text" if self.kind == "images" else "images"
            raise RegardError(f"{given[0]} is for {other}; {self.data} is for {self.kind}")

    def _check_networks(self) -> None:
        arms, controls = self.arms(), self.control_names()
        Network.parse(self.host, self.kind)
        if self.kind != "images" and (self.pretrained or "placebo" in controls):
            what = "published weights" if self.pretrained else "placebos"
            raise RegardError(f"there are no {what} for networks on text; leave them out")
        if "placebo" in controls and not placebos(arms):
            raise RegardError(
                f"none of {self.mechanisms} is a gate, and only a gate has a placebo; leave "
                f"placebo out of the controls"
            )
        if "widened" in controls and not self._widens():
            raise RegardError(
                f"the widened control needs the host small; {self.host} has no width; use longer"
            )


def device_of(device: str) -> str:
    """``cpu`` or ``cuda`` for ``auto``, or what was asked, if it is there.

    Raises:
        RegardError: for another word, or ``cuda`` without a GPU.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device not in ("cpu", "cuda"):
        raise RegardError(f"device is {device!r}; it can be auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise RegardError("device is 'cuda', but PyTorch finds no GPU here; use --device cpu")
    return device


def _is_seed(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < 1 << 32
