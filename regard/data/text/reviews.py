"""The embedded classification: which of two opinions weighs is decided by the order of words.

"the soup was good but the room was bad" is negative, for what follows ``but`` weighs; "the room
was bad but the soup was good" has the same words and is positive. Every text has its twin with the
other order and the other label in the same part, so whatever counts words without their order is
right exactly half of the time. Up to two fillers stand between the link and each opinion, so that a
narrow window often sees them apart.
"""

from __future__ import annotations

from ...errors import RegardError
from .draws import Draws, listed
from .labelled import Classification, Labelled

SEED = 2008
CLASSES = ("negative", "positive")
GOOD = listed("good lovely fine great superb charming excellent pleasant")
BAD = listed("bad awful poor dreadful boring ugly terrible dull")
THINGS = listed("soup room music staff film garden story wine view bread lamp menu")
FILLERS = (
    "as we said then",
    "on that day",
    "for all of us",
    "to be fair",
    "in the end",
    "at that time",
)
LINKS = {"but": 1, "although": 0}  # which of the two opinions weighs
Row = tuple[str, str]


def reviews(train: int = 4000, test: int = 1000, *, seed: int = SEED) -> Classification:
    """Texts with two opposite opinions, the same on every machine; no text twice.

    Args:
        train, test: numbers of texts, even ones, for texts come in twins.
        seed: of the texts; apart from every training seed.

    Raises:
        RegardError: a number is odd or below 2, or the seed below 0.
    """
    if min(train, test) < 2 or train % 2 or test % 2:
        raise RegardError(
            f"reviews: train is {train} and test {test}; expected even numbers of 2 or more"
        )
    draws = Draws(seed, 13)
    found: dict[str, str] = {}
    while len(found) < train + test:
        twins = _twins(draws)
        if not any(text in found for text, _ in twins):
            found |= dict(twins)
    made = list(found.items())
    notes = (
        "generated: shows how a mechanism behaves, not what it gains on real texts",
        "every text has a twin of the same words and the other label in its part, so counting "
        f"words is right half of the time, seed {seed}",
    )
    first, last = (Labelled.of(part, CLASSES) for part in (made[:train], made[train:]))
    return Classification(first, last, "reviews", CLASSES, notes=notes)


def _twins(draws: Draws) -> tuple[Row, Row]:
    """A text and the one with its two opinions exchanged; fillers stay where they are."""
    link = draws.pick(list(LINKS))
    things = draws.sample(THINGS, 2)
    opinions = [
        f"the {thing} was {draws.pick(words)}"
        for thing, words in zip(things, (BAD, GOOD), strict=True)
    ]
    fillers = [draws.sample(FILLERS, draws.below(3)) for _ in range(4)]
    weighs = LINKS[link]
    first, second = (
        " ".join([*fillers[0], one, *fillers[1], link, *fillers[2], other, *fillers[3]])
        for one, other in (opinions, opinions[::-1])
    )
    return (first, CLASSES[weighs]), (second, CLASSES[1 - weighs])
