"""The median of paired ratios, with an interval that assumes no distribution.

Two contenders of one round met the same state of the machine, so their ratio is what is looked at.
The interval of its median lies between two order statistics: by the binomial distribution of how
many of n independent rounds fall below the true median.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, inf
from statistics import median
from typing import Literal, NamedTuple

LIMIT = 1.05
"""At most this much longer is "no slower"."""

Verdict = Literal["faster", "no slower", "slower", "undecided"]


class Ratio(NamedTuple):
    """The median of the rounds' ratios, and the ends of its interval; 0 and inf with few rounds."""

    median: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """What the interval decides: ``faster`` below 1, ``no slower`` up to 1.05."""
        if self.high < 1:
            return "faster"
        if self.high <= LIMIT:
            return "no slower"
        return "slower" if self.low > LIMIT else "undecided"


def ratio(mine: Sequence[float], other: Sequence[float], level: float = 0.95) -> Ratio:
    """Mine over the other's, round by round.

    Args:
        mine, other: times of the same rounds, in the same unit.
        level: that the interval holds the true median, at least.
    """
    found = sorted(a / b for a, b in zip(mine, other, strict=True))
    rank = _rank(len(found), level)
    if rank is None:
        return Ratio(median(found), 0.0, inf)
    return Ratio(median(found), found[rank], found[-1 - rank])


def _rank(rounds: int, level: float) -> int | None:
    """The largest k for which at most k rounds lie below the true median rarely enough.

    Then the ratios of ranks k and n - 1 - k, from 0, are the ends; None if not even the extreme
    ones are (below 6 rounds for 95 %, below 8 for 99 %).
    """
    best, below = None, 0
    for k in range(rounds // 2):
        below += comb(rounds, k)
        if 2 * below > (1 - level) * 2**rounds * (1 + 1e-12):
            break
        best = k
    return best
