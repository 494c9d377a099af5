"""Choices from a seed, the same on every machine and version of numpy and Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ..splits import random_bits

Item = TypeVar("Item")


def listed(words: str) -> tuple[str, ...]:
    """``("a", "b")`` for ``a b``."""
    return tuple(words.split())


class Draws:
    """A stream of choices; different streams of one seed are independent.

    Args:
        seed: 0 or more.
        stream: a number of one's own.
    """

    def __init__(self, seed: int, stream: int) -> None:
        self._bits = random_bits(seed, stream)

    def below(self, count: int) -> int:
        """A whole number from 0 to ``count - 1``; off from even by less than count / 2⁶⁴."""
        return int(self._bits.random_raw()) % count

    def pick(self, items: Sequence[Item]) -> Item:
        """One of the items."""
        return items[self.below(len(items))]

    def sample(self, items: Sequence[Item], count: int) -> list[Item]:
        """``count`` different ones of the items, in random order."""
        rest = list(items)
        return [rest.pop(self.below(len(rest))) for _ in range(count)]
