"""The words of gating: what is squeezed, into which statistics, the step that excites a gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

from ..errors import RegardError

Over = Literal["space", "channels", "height", "width"]
Stat = Literal["mean", "max"]


class Step(NamedTuple):
    """One gate of a mechanism.

    Args:
        over: what is squeezed: ``space`` gives a gate over channels, ``channels`` one over space.
        stats: the statistics, in the order in which ``excite`` takes them.
        excite: statistics → gate, ``[B, C]`` or ``[B, C, 1, …]``, or ``[B, 1, *space]``.
    """

    over: Literal["space", "channels"]
    stats: tuple[Stat, ...]
    excite: Callable[..., Tensor]


def formed(made: Tensor, x: Tensor, over: str) -> Tensor:
    """A step's gate with as many axes as its map.

    Raises:
        RegardError: if it has another form than the step's.
    """
    if has_torch_function((made, x)):
        return handle_torch_function(formed, (made, x), made, x, over)
    check_form(made, x, over)
    return made if made.dim() == x.dim() else made[(...,) + (None,) * (x.dim() - 2)]


def check_form(made: Tensor, x: Tensor, over: str) -> None:
    """Refuse a gate that is not of its step's form."""
    ones = (1,) * (x.dim() - 2)
    wanted = (1, *x.shape[2:]) if over == "channels" else (x.shape[1], *ones)
    shape = (*made.shape, *ones) if made.dim() == 2 else tuple(made.shape)
    if shape[1:] != wanted or shape[0] not in (1, x.shape[0]):
        raise RegardError(
            f"a step over {over} makes a gate {[x.shape[0], *wanted]} for a map {list(x.shape)}; "
            f"excite gave {list(made.shape)}"
        )
