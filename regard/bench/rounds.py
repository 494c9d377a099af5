"""Contenders run by turns, until it is decided who is faster or the time is up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from time import perf_counter

from .statistics import ratio

WARM_UP = 2
LEAST = 6
"""Rounds that are run whatever they cost; with fewer there is no 95 % interval."""
LOOKS = (11, 22, 44, 88, 176)
"""Rounds after which it is asked whether all is decided."""
_LEVEL = 0.99  # of a look: five looks together then err in at most 5 % of all cases

Times = dict[str, list[float]]


def race(
    runs: Mapping[str, Callable[[], float]],
    settled: Callable[[Times], bool],
    seconds: float,
    clock: Callable[[], float] = perf_counter,
) -> Times:
    """The times of all contenders, round by round; each round has an order of its own.

    Args:
        runs: name → a function that runs the contender once and returns its time.
        settled: whether the times so far are enough; asked at a few rounds only, for a question
            asked after every round is answered wrongly more often.
        seconds: after which no further round begins, but for the first six.
        clock: in seconds.
    """
    order, shuffler = list(runs), Random(0)
    times: Times = {name: [] for name in order}
    for _ in range(WARM_UP):
        for name in order:
            runs[name]()
    end, rounds = clock() + seconds, 0
    while rounds < LEAST or clock() < end:
        shuffler.shuffle(order)
        for name in order:
            times[name].append(runs[name]())
        rounds += 1
        if rounds in LOOKS and settled(times):
            break
    return times


def decided(times: Mapping[str, Sequence[float]], mine: str = "ours") -> bool:
    """Whether mine is faster, no slower or slower than each other one, with 99 % each."""
    return all(
        ratio(times[mine], other, _LEVEL).verdict != "undecided"
        for name, other in times.items()
        if name != mine
    )
