"""What every network of a comparison is given: epochs, batch, optimizer and learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from ..errors import RegardError


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What every network of a comparison is given.

    Args:
        epochs: passes over the training images.
        batch: images a step.
        rate: highest learning rate of AdamW (Loshchilov and Hutter, arXiv:1711.05101); it rises
            over the first tenth of the steps and then falls to zero along a cosine.
        decay: weight decay, on matrices and kernels only.
        slow: part of a parameter's name → factor on its learning rate.
    """

    epochs: int = 8
    batch: int = 64
    rate: float = 4e-3
    decay: float = 0.05
    slow: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise RegardError(f"{name} is {value!r}; it must be a whole number of at least 1")
        if not 0 < self.rate < math.inf or not 0 <= self.decay < math.inf:
            raise RegardError(f"rate {self.rate} and decay {self.decay} must be positive numbers")


def make_optimizer(model: nn.Module, budget: Budget) -> torch.optim.Optimizer:
    """AdamW: no decay on biases and normalisations, slower where the budget says so."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            factor = math.prod(f for part, f in budget.slow.items() if part in name)
            decay = budget.decay if parameter.dim() > 1 else 0.0
            groups.setdefault((factor, decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "weight_decay": decay, "factor": factor}
            for (factor, decay), parameters in groups.items()
        ],
        lr=budget.rate,
        fused=True,
    )


def rate_at(share: float, warmup: float = 0.1) -> float:
    """Factor on the learning rate after a share of all steps: linear rise, then half a cosine."""
    if share < warmup:
        return share / warmup
    return 0.5 * (1 + math.cos(math.pi * (share - warmup) / (1 - warmup)))
