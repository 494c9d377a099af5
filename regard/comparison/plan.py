"""What can be asked of a comparison."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch

from ..errors import RegardError
from ..training import Budget

MECHANISMS = "none,se,eca,cbam,spatial_transformer,multihead"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is asked of a comparison.

    Args:
        data: ``digits``, or a path; see :func:`regard.data.load_images`.
        host: the network: ``small``, ``timm:NAME``, ``torchvision:NAME``, ``module:factory``.
        mechanisms: the arms, as :func:`regard.comparison.arms.parse_arms` reads them.
        controls: of ``widened``, ``longer``, ``placebo``.
        seeds: each arm is trained once with each.
        budget: for all arms alike.
        size: side of the images; by default what the network expects, else what the data has.
        validation: share of the training images held out for choices.
        pretrained: start from published weights; mechanisms then start as the identity.
        delta: largest difference in accuracy that does not matter.
        on_bad: ``error`` or ``skip`` for images that cannot be read.
        device: ``auto``, ``cpu`` or ``cuda``.
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


def device_of(device: str) -> str:
    """``cpu`` or ``cuda`` for ``auto``, or what was asked, if it is there."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device not in ("cpu", "cuda"):
        raise RegardError(f"device is {device!r}; it can be auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise RegardError("device is 'cuda', but PyTorch finds no GPU here; use --device cpu")
    return device
