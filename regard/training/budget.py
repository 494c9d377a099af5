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
        epochs: passes over the training data.
        batch: images, sentences or texts a step.
        rate: highest learning rate of AdamW (Loshchilov and Hutter, arXiv:1711.05101); it rises
            over the first tenth of the steps and then falls to zero along a cosine.
        decay: weight decay, on matrices and kernels only.
        slow: part of a parameter's name → factor on its learning rate.
        clip: greatest norm of all gradients together, as of recurrent networks (Pascanu et al.,
            arXiv:1211.5063); 0 for any.

    Raises:
        RegardError: for a number out of range.
    """

    epochs: int = 3
    batch: int = 64
    rate: float = 6e-3
    decay: float = 0.05
    slow: Mapping[str, float] = field(default_factory=dict)
    clip: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "slow", dict(self.slow))
        for name in ("epochs", "batch"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise RegardError(f"{name} is {value!r}; it must be a whole number of at least 1")
        for name, value, least in (
            ("rate", self.rate, math.ulp(0.0)),
            ("decay", self.decay, 0.0),
            ("clip", self.clip, 0.0),
            *((f"slow[{part!r}]", factor, 0.0) for part, factor in self.slow.items()),
        ):
            if not isinstance(value, int | float) or not least <= value < math.inf:
                above = "above 0" if least else "of at least 0"
                raise RegardError(f"{name} is {value!r}; it must be a number {above}")


def make_optimizer(model: nn.Module, budget: Budget) -> torch.optim.Optimizer:
    """AdamW: no decay on biases and normalisations, slower where the budget says so.

    Raises:
        RegardError: if the network has nothing to train.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            factor = math.prod(f for part, f in budget.slow.items() if part in name)
            decay = budget.decay if parameter.dim() > 1 else 0.0
            groups.setdefault((factor, decay), []).append(parameter)
    if not groups:
        raise RegardError(f"{type(model).__name__} has no parameter that requires a gradient")
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
