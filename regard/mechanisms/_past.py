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
    and one batch. Without gradients there is room for as many keys again, so that a step copies
    what is new and not what is there.

    Args:
        fixed: keys and values are those of the first call for ever, as those of an encoder are.
    """

    def __init__(self, fixed: bool = False) -> None:
        self.fixed = fixed
        self.length = 0  # the number of keys kept
        self._room: Pair | None = None

    @property
    def kept(self) -> Pair | None:
        """Keys and values until now."""
        return None if self._room is None else _first(self._room, self.length)

    def extend(self, key: Tensor, value: Tensor) -> Pair:
        """All keys and values, with the new ones at the end."""
        keys, values = self._room or (None, None)
        self._room = _put(keys, key, self.length), _put(values, value, self.length)
        self.length += key.shape[-2]
        return _first(self._room, self.length)

    def select(self, rows: Tensor) -> Past:
        """A past of the given samples, in the order given; a row may be taken several times."""
        other = Past(self.fixed)
        if self.kept is not None:
            key, value = self.kept
            other._room = key.index_select(0, rows), value.index_select(0, rows)
            other.length = self.length
        return other


def _first(room: Pair, length: int) -> Pair:
    key, value = room
    return key[..., :length, :], value[..., :length, :]


def _put(room: Tensor | None, new: Tensor, length: int) -> Tensor:
    """``room`` with ``new`` after its first ``length`` keys; a larger one where it is full."""
    if room is None:
        return new
    if torch.is_grad_enabled():  # what stands there may be needed for a gradient
        return torch.cat([room[..., :length, :], new], -2)
    end = length + new.shape[-2]
    if end > room.shape[-2]:
        larger = room.new_empty(*room.shape[:-2], 2 * end, room.shape[-1])
        larger[..., :length, :] = room[..., :length, :]
        room = larger
    room[..., length:end, :] = new
    return room


def continued(past: Past | None, project: Callable[[int], Pair]) -> Pair:
    """All keys and values: those kept and the new ones, which are kept from now on.

    Args:
        past: what is kept, None for nothing.
        project: makes the new ones, given the place of the first.
    """
    if past is None:
        return project(0)
    if past.fixed and past.kept is not None:
        return past.kept
    return past.extend(*project(past.length))


def place_of(past: Past | None) -> int:
    """The place of the next query: behind all that is kept."""
    return 0 if past is None or past.fixed else past.length


def turned(rotate: nn.Module | None, x: Tensor, place: int) -> Tensor:
    """Queries or keys ``[B, h, N, d]``, turned as at the places from ``place`` on."""
    return x if rotate is None else rotate(x, place)
