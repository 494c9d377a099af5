"""Numbers of a mechanism: its parameters by size, and how far it is from the identity at first."""

from __future__ import annotations

import torch

from ..cards import Card
from ..catalogue import options_of
from ..checks.arithmetic import evaluate
from ..checks.specimen import specimen
from ..errors import RegardError

SIZES = (64, 128, 256, 512, 1024, 2048)
HEADS = (2, 4, 8, 12, 16, 32)  # where the size is a number of heads


def sizes_of(card: Card) -> tuple[int, ...]:
    """Usual sizes: channels or width; heads of a bias."""
    return HEADS if card.position == "bias" else SIZES


def parameters(card: Card, size: int) -> int | None:
    """Number of parameters at a size by the card's formula; None where the size is refused.

    The formula is the one that ``regard check`` holds against the module.
    """
    if not _taken(card, size):
        return None
    dims = 2 if 2 in card.dims else card.dims[0]
    named = {**options_of(card), **card.options, "dims": dims, "C": size}
    numbers = {n: v for n, v in named.items() if isinstance(v, int | float)}
    return round(evaluate(card.parameters, numbers))


def drift(card: Card) -> float | None:
    """Root mean square of m(x) - x over that of x, at the start, for normal numbers.

    None where the two are of different shapes or kinds.
    """
    if card.takes not in ("map", "tokens", "convolution"):
        return None
    subject = specimen(card)
    inputs = subject.inputs()
    with torch.no_grad():
        out = subject.build(moved=False).eval()(*inputs)
    return float((out - inputs[0]).norm() / inputs[0].norm())


def _taken(card: Card, size: int) -> bool:
    """Whether the constructor takes the size; nothing is stored on the device ``meta``."""
    place = {"device": "meta"} if "device" in options_of(card) else {}
    try:
        card.module(size, **card.options, **place)
    except RegardError:
        return False
    return True
