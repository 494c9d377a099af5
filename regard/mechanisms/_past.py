"""Keys and values that an attention keeps from one call to the next: a decoder's cache."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Pair = tuple[Tensor, Tensor]


class Past:
    """Projected keys and values ``[B, h, N, d]`` of the calls before.

    An attention with heads that is given one as ``past=`` projects only what is new, attends over
    all, and leaves the longer past behind. Its weights take no notice; a past belongs to one layer
    and one batch.

    Args:
        fixed: keys and values are those of the first call for ever, as those of an encoder are.
    """

    def __init__(self, fixed: bool = False) -> None:
        self.fixed = fixed
        self.kept: Pair | None = None

    @property
    def length(self) -> int:
        """The number of keys kept."""
        return 0 if self.kept is None else int(self.kept[0].shape[-2])

    def select(self, rows: Tensor) -> Past:
        """A past of the given samples, in the order given; a row may be taken several times."""
        other = Past(self.fixed)
        if self.kept is not None:
            key, value = self.kept
            other.kept = key.index_select(0, rows), value.index_select(0, rows)
        return other


def continued(past: Past | None, project: Callable[[int], Pair]) -> Pair:
    """All keys and values: those kept and the new ones, which are kept from now on.

    Args:
        past: what is kept, None for nothing.
        project: makes the new ones, given the place of the first.
    """
    if past is None:
        return project(0)
    if past.kept is None:
        past.kept = project(0)
    elif not past.fixed:
        key, value = project(past.length)
        past.kept = torch.cat([past.kept[0], key], 2), torch.cat([past.kept[1], value], 2)
    return past.kept


def place_of(past: Past | None) -> int:
    """The place of the next query: behind all that is kept."""
    return 0 if past is None or past.fixed else past.length


def turned(rotate: nn.Module | None, x: Tensor, place: int) -> Tensor:
    """Queries or keys ``[B, h, N, d]``, turned as at the places from ``place`` on."""
    return x if rotate is None else rotate(x, place)
