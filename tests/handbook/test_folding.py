"""Large flows are folded without a circle, and nothing is lost from the count."""

import random
import re

from regard.handbook.folding import MOST_STEPS, fold
from regard.handbook.simplifying import simplify
from regard.handbook.tracing import Call, Flow


def random_calls(seed, count):
    numbers = random.Random(seed)
    calls = {0: Call("input", ["x"], [], ((2, 3),))}
    for place in range(1, count):
        sources = sorted(numbers.sample(range(place), min(place, numbers.randint(1, 3))))
        kind = numbers.choice(["layers", "compute", "combine", "squeeze", "modulate"])
        calls[place] = Call(kind, [f"{kind}{place}"], sources, ((2, 3),))
    return calls


def test_folding_leaves_few_steps_in_an_order():
    for seed in range(20):
        folded = fold(random_calls(seed, 40))
        assert len(folded) <= MOST_STEPS
        seen = set()
        for place, call in folded.items():
            assert set(call.sources) <= seen, seed
            assert place not in call.sources
            seen.add(place)


def test_folding_counts_every_operation():
    for seed in range(5):
        count = 0
        for call in fold(random_calls(seed, 40)).values():
            for item in call.items:
                more = re.fullmatch(r"and (\d+) more", item)
                count += int(more[1]) if more else 1
        assert count == 40


def test_few_steps_stay_as_they_are():
    calls = random_calls(0, MOST_STEPS)
    assert fold(dict(calls)) == calls


def test_attention_and_warps_are_never_folded():
    kinds = ["attend", "warp"] * MOST_STEPS
    calls = {0: Call("input", ["x"], [], ())}
    for place, kind in enumerate(kinds, 1):
        calls[place] = Call(kind, [kind], [place - 1], ())
    assert len(fold(calls)) == len(kinds) + 1


def test_simplifying_leaves_the_flow_alone():
    calls = [*random_calls(3, 30).values()]
    flow = Flow(calls, [29], (2, 3), "x")
    before = [(c.kind, list(c.items), list(c.sources)) for c in calls]
    simplify(flow)
    assert [(c.kind, c.items, c.sources) for c in calls] == before
