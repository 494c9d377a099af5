"""Where on a picture the keys and the queries of weights lie, and what that is told from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Places:
    """Places of a map ``[B, H, W]`` that keys and queries stand for.

    Args:
        frame: H and W.
        keys: ``[…, Nk]``, the axes of the weights without that of the queries: sample · H · W + row
            · W + column; -1 for padding.
        queries: likewise, ``[…, Nq]``; None where they are other tokens than the keys.
        calls: what was followed from the map to the attention, in order.
    """

    frame: tuple[int, int]
    keys: Tensor
    queries: Tensor | None
    calls: tuple[str, ...]


def as_it_is(x: Tensor) -> Tensor:
    """The tensor."""
    return x


@dataclass(frozen=True, slots=True)
class Tokens:
    """What weights ``[…, Nq, Nk]`` were made of, and what they meet.

    Args:
        values: what they meet.
        form: from the values to ``[…, Nk, d]``.
        query: the queries ``[…, Nq, d]``, where a call was given them.
        weights: the weights, where they were written out.
    """

    values: Tensor
    form: Callable[[Tensor], Tensor] = as_it_is
    query: Tensor | None = None
    weights: Tensor | None = None
