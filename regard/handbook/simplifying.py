"""A traced flow → a few steps that a reader can take in.

What does not reach the result is left out, a chain of operations becomes one step, equal steps
side by side become one with their number; if still many are left, neighbours are taken together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .folding import fold
from .tracing import Call, Flow

MOST_ITEMS = 6  # of a step, beyond which the middle is counted and not named


@dataclass(frozen=True, slots=True)
class Step:
    """One box of a diagram.

    Args:
        kind: one of the kinds of the vocabulary; ``input``, ``output``; ``excite``: layers that see
            statistics alone and make a gate; ``several``: many operations taken together.
        items: what is done, in order.
        sources: places of earlier steps.
        shapes: of the result; of equal steps side by side, each shape once.
        count: how many equal ones stand side by side.
    """

    kind: str
    items: tuple[str, ...]
    sources: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    count: int = 1


def simplify(flow: Flow) -> list[Step]:
    """The steps of a flow in an order in which each comes after its sources; the output is last."""
    end = Call("output", ["output"], list(flow.ends), (flow.shape,))
    calls = {
        place: replace(call, items=list(call.items), sources=list(call.sources))
        for place, call in enumerate([*flow.calls, end])
    }
    _drop_unused(calls, len(flow.calls))
    while _join_chain(calls) or _join_twins(calls):
        pass
    calls = fold(calls)
    while _join_twins(calls):
        pass
    _name_excitations(calls)
    places = {old: new for new, old in enumerate(calls)}
    return [
        Step(c.kind, _short(c.items), tuple(places[s] for s in c.sources), c.shapes, c.count)
        for c in calls.values()
    ]


def _drop_unused(calls: dict[int, Call], end: int) -> None:
    """What does not reach the result; inputs stay."""
    needed, ahead = set(), [end]
    while ahead:
        place = ahead.pop()
        if place not in needed:
            needed.add(place)
            ahead += calls[place].sources
    for place in [p for p, c in calls.items() if p not in needed and c.kind != "input"]:
        del calls[place]


def _users(calls: dict[int, Call]) -> dict[int, list[int]]:
    users: dict[int, list[int]] = {place: [] for place in calls}
    for place, call in calls.items():
        for source in call.sources:
            users[source].append(place)
    return users


def _join_chain(calls: dict[int, Call]) -> bool:
    """Join one step with the only one that takes its result, where both are of one kind."""
    users = _users(calls)
    for place, call in calls.items():
        if len(call.sources) != 1:
            continue
        before = call.sources[0]
        first = calls[before]
        if users[before] != [place] or first.count != call.count:
            continue
        kind = _joined_kind(first.kind, call.kind)
        if kind is None:
            continue
        call.kind, call.items, call.sources = kind, first.items + call.items, first.sources
        del calls[before]
        return True
    return False


def _joined_kind(first: str, second: str) -> str | None:
    """The kind of two steps in a chain as one; None where they stay two."""
    if first in ("input", "output") or second in ("input", "output"):
        return None
    if first == second and first in ("layers", "compute", "squeeze", "reorder"):
        return first
    if second == "compute" and first in ("layers", "combine", "squeeze", "attend", "reorder"):
        return first
    return second if first == "compute" and second == "layers" else None


def _join_twins(calls: dict[int, Call]) -> bool:
    """Join one pair of equal steps with the same sources and the same users."""
    users = _users(calls)
    seen: dict[tuple[object, ...], int] = {}
    for place, call in calls.items():
        if call.kind in ("input", "output"):
            continue
        key = (call.kind, *call.items, None, *call.sources, None, *sorted(set(users[place])))
        if key in seen:
            first = seen[key]
            calls[first].count += call.count
            calls[first].shapes = tuple(dict.fromkeys(calls[first].shapes + call.shapes))
            for user in users[place]:
                calls[user].sources.remove(place)
            del calls[place]
            return True
        seen[key] = place
    return False


def _name_excitations(calls: dict[int, Call]) -> None:
    """Layers that see statistics alone and end in a gate are what the field calls excitation."""
    gating: set[int] = set()
    for place in reversed(calls):
        if calls[place].kind == "modulate" or place in gating:
            gating |= set(calls[place].sources)
    squeezed: set[int] = set()
    for place, call in calls.items():
        alone = bool(call.sources) and all(s in squeezed for s in call.sources)
        if call.kind == "squeeze" or alone:
            squeezed.add(place)
        if alone and call.kind == "layers" and place in gating:
            call.kind = "excite"


def _short(items: list[str]) -> tuple[str, ...]:
    """Runs of one word once, and no more than a few words."""
    runs: list[list[str]] = []
    for item in items:
        if runs and runs[-1][0] == item:
            runs[-1].append(item)
        else:
            runs.append([item])
    words = [run[0] if len(run) == 1 else f"{run[0]} (×{len(run)})" for run in runs]
    if len(words) <= MOST_ITEMS:
        return tuple(words)
    left = len(words) - MOST_ITEMS + 1
    return (*words[:3], f"… {left} more …", *words[-(MOST_ITEMS - 4) :])
