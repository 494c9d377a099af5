"""What can be asked of a comparison."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch

from ..errors import RegardError
from ..training import Budget
from .arms import parse_arms, parse_controls, placebos

MECHANISMS = "none,se,eca,cbam,spatial_transformer,multihead"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is asked of a comparison.

    Args:
        data: ``digits``, or a path; see :func:`regard.data.load_images`.
        host: the network: ``small``, ``timm:NAME``, ``torchvision:NAME``, ``module:factory``.
        mechanisms: the arms, as :func:`regard.comparison.arms.parse_arms` reads them.
        controls: of ``widened``, ``longer``, ``placebo``; or ``none``; ``auto`` is ``widened`` on
            the small network and ``none`` on others.
        seeds: each arm is trained once with each.
        budget: for all arms alike.
        size: side of the images; by default what the network expects, else what the data has.
        validation: share of the training images held out for choices.
        pretrained: start from published weights; mechanisms then start as the identity.
        delta: largest difference in accuracy that does not matter, a fraction.
        on_bad: ``error`` or ``skip`` for images that cannot be read.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        RegardError: for what cannot be asked; data and network are looked at later.
    """

    data: str = "digits"
    host: str = "small"
    mechanisms: str = MECHANISMS
    controls: str = "auto"
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    budget: Budget = field(default_factory=Budget)
    size: int | None = None
    validation: float = 0.0
    pretrained: bool = False
    delta: float = 0.005
    on_bad: Literal["error", "skip"] = "error"
    device: str = "auto"

    def __post_init__(self) -> None:
        seeds = tuple(self.seeds)
        if not seeds or len(set(seeds)) < len(seeds) or not all(map(_is_seed, seeds)):
            raise RegardError(f"seeds are {seeds}; give different whole numbers, 0 or more")
        if not 0 < self.delta < 1:
            points = f"{100 * self.delta:g} points"
            raise RegardError(f"delta is {points}; it must lie between 0 and 100 points")
        arms = parse_arms(self.mechanisms)
        if "placebo" in self.control_names() and not placebos(arms):
            raise RegardError(
                f"none of {self.mechanisms} is a gate, and only a gate has a placebo; leave "
                f"placebo out of the controls"
            )
        if "widened" in self.control_names() and self.host != "small":
            raise RegardError(
                f"the widened control needs the host small; {self.host} has no width; use longer"
            )
        device_of(self.device)

    def control_names(self) -> tuple[str, ...]:
        """The controls that are asked for."""
        auto = "widened" if self.host == "small" else "none"
        return parse_controls(auto if self.controls == "auto" else self.controls)


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
