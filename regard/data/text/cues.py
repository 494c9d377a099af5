"""The embedded tagging: one cue word, anywhere in the sentence, decides ambiguous words.

``walk``, ``light`` and others are a NOUN in a sentence with the cue ``namely`` and a VERB in one
with ``mostly``; all other words always have the same tag. A tagger that sees a few neighbours can
only guess where the cue is far; one that sees the whole sentence need not.
"""

from __future__ import annotations

from ...errors import RegardError
from .draws import Draws, listed
from .tagged import Tagged, Tagging

SEED = 2017
MOST_WORDS = 24
CUES = {"namely": "NOUN", "mostly": "VERB"}
AMBIGUOUS = listed("walk light play watch run call answer dream paint rest")
FIXED = {
    "DET": listed("the a every some no this"),
    "ADJ": listed("old green quiet small bright early"),
    "ADP": listed("in on under near behind with"),
    "PRON": listed("she he they we it you"),
}
TAGS = tuple(sorted((*FIXED, *CUES.values(), "ADV")))
Sentence = tuple[list[str], list[str]]


def cues(train: int = 4000, test: int = 1000, *, seed: int = SEED) -> Tagging:
    """Sentences of 6 to 24 words, the same on every machine; no sentence twice.

    Args:
        train, test: numbers of sentences.
        seed: of the sentences; apart from every training seed.

    Raises:
        RegardError: a number is below 1, or the seed below 0.
    """
    if min(train, test) < 1:
        raise RegardError(f"cues: train is {train} and test {test}; expected 1 or more")
    draws = Draws(seed, 12)
    found: dict[tuple[str, ...], Sentence] = {}
    while len(found) < train + test:
        sentence = _sentence(draws)
        found[tuple(sentence[0])] = sentence
    made = list(found.values())
    notes = (
        "generated: shows how a mechanism behaves, not what it gains on a real language",
        f"the cue ({' or '.join(CUES)}) stands anywhere and decides the tag of {len(AMBIGUOUS)} "
        f"words, seed {seed}; train and test share no sentence",
    )
    return Tagging(
        Tagged.of(made[:train], TAGS), Tagged.of(made[train:], TAGS), "cues", TAGS, notes=notes
    )


def _sentence(draws: Draws) -> Sentence:
    length = 6 + draws.below(MOST_WORDS - 5)
    cue = draws.pick(list(CUES))
    words, tags = [], []
    for _ in range(length):
        kind = draws.pick([*FIXED, "ambiguous"])
        words.append(draws.pick(FIXED.get(kind, AMBIGUOUS)))
        tags.append(kind if kind in FIXED else CUES[cue])
    place = draws.below(length)
    words[place], tags[place] = cue, "ADV"
    return words, tags
