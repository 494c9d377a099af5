"""What a rule is: a function of a card that returns nothing or raises :class:`Broken`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import torch
from torch import Tensor

from ..cards import Card
from .surroundings import undisturbed

Rule = Callable[[Card], None]
RULES: dict[str, Rule] = {}

MAPS = ("map", "maps", "convolution")
TOKENS = ("tokens", "pooled")
ALL = (*MAPS, *TOKENS, "position")

# Of sums of some thousand terms in float64, whose rounding is 1e-16 each.
EXACT = 1e-10


class Broken(Exception):
    """A mechanism breaks a rule; the text says how."""


class NotApplicable(Exception):
    """A rule has nothing to say about a mechanism; the text says why."""


def rule(name: str, *takes: str) -> Callable[[Rule], Rule]:
    """Register a function as the rule ``name`` for mechanisms that take one of ``takes``.

    The first line of its docstring is the rule in words. Whatever it does to the settings and the
    random numbers of the process is undone.
    """

    def register(judge: Rule) -> Rule:
        @wraps(judge)
        def guarded(card: Card) -> None:
            if card.takes not in takes:
                raise NotApplicable(f"it takes {card.takes}")
            with undisturbed(), torch.enable_grad():
                judge(card)

        RULES[name] = guarded
        return guarded

    return register


def require(holds: bool, otherwise: str) -> None:
    """Raise :class:`Broken` with the text unless the condition holds."""
    if not holds:
        raise Broken(otherwise)


def require_same(
    got: Tensor, wanted: Tensor, otherwise: str, relative: float = EXACT, absolute: float = 0.0
) -> None:
    """Raise :class:`Broken` unless two tensors have one shape and nearly the same numbers.

    The difference may be ``absolute`` plus ``relative`` times the largest number wanted, or times
    one where all are smaller.
    """
    require(got.shape == wanted.shape, f"{otherwise}: {list(got.shape)} for {list(wanted.shape)}")
    if not got.numel():
        return
    room = absolute + relative * max(1.0, float(wanted.detach().double().abs().max()))
    error = float((got.detach().double() - wanted.detach().double()).abs().max())
    require(error <= room, f"{otherwise}: they differ by {error:.3g}")


def require_finite(x: Tensor | None, what: str) -> None:
    """Raise :class:`Broken` where there is a NaN or an infinity."""
    if x is not None and not torch.isfinite(x).all():
        bad = int((~torch.isfinite(x)).sum())
        raise Broken(f"{what}: {bad} of {x.numel()} numbers are NaN or infinite")
