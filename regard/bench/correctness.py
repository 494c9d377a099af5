"""Whether a contender computes what the mechanism is: the plain form in float64 is the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ..errors import cause
from .contenders import Contender
from .fields import Field

DRAWS = (0, 1, 2)
_FACTOR = 8  # on the error of the plain form in the same type
_STEPS = 32  # of the type's precision beside it: sums in another order, ReLUs decided otherwise
_MOST = 0.01  # of those steps, in types of half precision
_LEAST_SIZE = 1e-3  # of a gradient, as a share of the largest: a smaller one is made of rounding

Results = Mapping[str, Tensor]


def complaint(build: Callable[[int], Field], name: str = "ours") -> str:
    """What is wrong with a contender in the words of its first draw; empty if nothing is.

    Where two numbers share a maximum but for rounding, a gradient may go to the other one. That
    does not happen on one draw after the other, so a red draw is believed if one of two more is.

    Args:
        build: makes the case's contenders from a seed; ``exact`` and ``plain`` among them.
        name: of the contender.
    """
    first = _of_draw(build(DRAWS[0]), name)
    if first and any(_of_draw(build(seed), name) for seed in DRAWS[1:]):
        return first
    return ""


def _of_draw(field: Field, name: str) -> str:
    exact, plain = (field.contenders[n].results() for n in ("exact", "plain"))
    field.restore()
    mine = field.contenders[name]
    try:
        found = mine.results()
    except Exception as error:
        return f"it fails: {cause(error, 120)}"
    return difference(found, plain, exact, _precision(mine))


def difference(found: Results, plain: Results, exact: Results, precision: float) -> str:
    """Which result is farther from the exact one than rounding explains; empty if none is.

    Args:
        found, plain, exact: output and gradients by name.
        precision: distance of 1 to the next number of the type.
    """
    gradients = [_norm(due) for name, due in exact.items() if name != "output"]
    least = _LEAST_SIZE * max(gradients, default=0.0)
    for name, due in exact.items():
        if name not in found:
            return f"the {name} is missing"
        size = max(_norm(due), least)
        off, usual = (_away(one[name], due, size) for one in (found, plain))
        if not off <= _FACTOR * usual + min(_STEPS * precision, _MOST):
            return f"the {name} is off by {off:.1e} of its size, the plain form by {usual:.1e}"
    return ""


def _away(found: Tensor, due: Tensor, size: float) -> float:
    """The root mean square distance, as a share of the size."""
    if found.shape != due.shape:
        return float("inf")
    away = _norm(found.double() - due)
    return away / size if size else away


def _norm(tensor: Tensor) -> float:
    return float(torch.linalg.vector_norm(tensor.double()))


def _precision(contender: Contender) -> float:
    return torch.finfo(contender.inputs[0].dtype).eps
