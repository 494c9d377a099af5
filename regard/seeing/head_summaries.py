"""All heads of a layer in one map: their mean, or the largest weight of any head."""

from __future__ import annotations

from torch import Tensor

from ..errors import RegardError
from ..maps import Map


def head_mean(found: Map) -> Tensor:
    """The mean over the heads, ``[B, Nq, Nk]``; rows that sum to one still do.

    Raises:
        RegardError: for a map that is no weights.
    """
    return over_heads(_weights(found))


def over_heads(values: Tensor) -> Tensor:
    """``[B, h, Nq, Nk]`` or ``[B, Nq, Nk]``: the mean over the heads, ``[B, Nq, Nk]``."""
    return values if values.dim() == 3 else values.flatten(1, -3).mean(1)


def head_max(found: Map) -> Tensor:
    """The largest weight of any head, ``[B, Nq, Nk]``; rows no longer sum to one.

    Raises:
        RegardError: for a map that is no weights.
    """
    values = _weights(found)
    return values if values.dim() == 3 else values.flatten(1, -3).amax(1)


def _weights(found: Map) -> Tensor:
    if found.kind != "weights":
        raise RegardError(
            f"the map at {found.site!r} is a {found.form}, which has no heads; "
            'maps["weights"] has those that do'
        )
    return found.values
