"""What gating mechanisms share: the gate's last step and its start."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from ..errors import RegardError

StartOption = Literal["paper", "identity"]


class Sigmoid(nn.Module):
    """σ, or 2σ for a gate that starts as the identity: zero logits then give a gate of one."""

    def __init__(self, start: StartOption) -> None:
        super().__init__()
        self.top = {"paper": 1.0, "identity": 2.0}[check_start(start)]

    def forward(self, logits: Tensor) -> Tensor:
        """Gate of the same shape as ``logits``."""
        gate = torch.sigmoid(logits)
        return gate if self.top == 1.0 else self.top * gate

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"top={self.top:g}"


def check_start(start: str) -> str:
    """``start`` itself, if it is known."""
    if start not in ("paper", "identity"):
        raise RegardError(f"start is {start!r}; it can be 'paper' or 'identity'")
    return start


def check_variant(variant: str, known: tuple[str, ...]) -> str:
    """``variant`` itself, if it is known."""
    if variant not in known:
        raise RegardError(f"variant is {variant!r}; it can be {' or '.join(map(repr, known))}")
    return variant


def check_size(size: int, what: str) -> int:
    """A number of channels or features: a whole number of at least one."""
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise RegardError(f"{what} is {size!r}; it must be a whole number of at least 1")
    return size


def zero(*layers: nn.Module) -> None:
    """Set all parameters of the layers to zero."""
    for layer in layers:
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)
