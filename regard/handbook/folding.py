"""A flow of very many steps → one of a few, by taking neighbours together.

What is taken together becomes one step of the kind ``several``, which counts its operations by
name. Attention, warps, inputs and the output are never folded; statistics and gates last.
"""

from __future__ import annotations

from collections import Counter

from .tracing import Call

MOST_STEPS = 14
MOST_WORDS = 5
_WHOLE = frozenset(("input", "output", "attend", "warp"))
_DEAR = frozenset(("squeeze", "modulate"))


def fold(calls: dict[int, Call]) -> dict[int, Call]:
    """Fold neighbours, the smallest first, until few steps are left or none can be folded."""
    while len(calls) > MOST_STEPS:
        pairs = [
            (_price(calls[first], call), first, second)
            for second, call in calls.items()
            for first in call.sources
            if not {calls[first].kind, call.kind} & _WHOLE
            and not _meet_elsewhere(calls, first, second)
        ]
        if not pairs:
            break
        _, first, second = min(pairs)
        calls = _ordered(_folded(calls, first, second))
    for call in calls.values():
        if call.kind == "several":
            call.items = _counted(call.items)
    return calls


def _price(first: Call, second: Call) -> tuple[int, int]:
    dear = (first.kind in _DEAR) + (second.kind in _DEAR)
    return dear, len(first.items) + len(second.items)


def _meet_elsewhere(calls: dict[int, Call], first: int, second: int) -> bool:
    """Whether another way leads from the first to the second; folded they would be a circle."""
    ahead = [source for source in calls[second].sources if source != first]
    seen: set[int] = set()
    while ahead:
        place = ahead.pop()
        if place == first:
            return True
        if place not in seen:
            seen.add(place)
            ahead += calls[place].sources
    return False


def _folded(calls: dict[int, Call], first: int, second: int) -> dict[int, Call]:
    """The calls with the first inside the second."""
    one, two = calls[first], calls[second]
    sources = [*one.sources, *(s for s in two.sources if s != first)]
    joined = Call(
        "several", one.items + two.items, list(dict.fromkeys(sources)), two.shapes, count=1
    )
    left = {place: call for place, call in calls.items() if place != first}
    left[second] = joined
    for call in left.values():
        call.sources = list(dict.fromkeys(second if s == first else s for s in call.sources))
    return left


def _ordered(calls: dict[int, Call]) -> dict[int, Call]:
    """Each after its sources, otherwise as before."""
    order: dict[int, Call] = {}
    left = dict(calls)
    while left:
        place = next(p for p, c in left.items() if all(s in order for s in c.sources))
        order[place] = left.pop(place)
    return order


def _counted(items: list[str]) -> list[str]:
    """The commonest words with their numbers, the number of all first."""
    found = Counter(items).most_common()
    words = [word if n == 1 else f"{word} (×{n})" for word, n in found[:MOST_WORDS]]
    rest = sum(n for _, n in found[MOST_WORDS:])
    return [*words, f"and {rest} more"] if rest else words
