"""What gating mechanisms share: the gate's last step, its start, statistics of their own."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from ..errors import RegardError
from ..ops import ScaledSigmoid, squeeze

StartOption = Literal["paper", "identity"]


class Sigmoid(ScaledSigmoid):
    """σ, or 2σ for a gate that starts as the identity: zero logits then give a gate of one."""

    def __init__(self, start: StartOption) -> None:
        super().__init__({"paper": 1.0, "identity": 2.0}[check_start(start)])


def check_start(start: str) -> str:
    """``start`` itself, if it is known."""
    if start not in ("paper", "identity"):
        raise RegardError(f"start is {start!r}; it can be 'paper' or 'identity'")
    return start


def adds_input(start: str, residual: bool | None) -> bool:
    """Whether the input is added: as asked, by default only at an identity start."""
    return start == "identity" if residual is None else residual


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


def statistic(found: Tensor) -> Tensor:
    """A statistic ``[B, …]`` that a mechanism made itself, sent through ``squeeze``.

    It stays what it is; but whoever stands in for statistics, as a placebo does, now sees it.
    """
    (seen,) = squeeze(found.flatten(1).unsqueeze(-1), "space")
    return seen.reshape(found.shape)
