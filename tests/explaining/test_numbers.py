"""The numbers against formulas written out here, in float64."""

import json

import pytest
import torch

import regard
from regard.explaining.numbers import numbers_of
from regard.explaining.shipped import DIM, HEADS, load_shipped, subject_of


@pytest.fixture(scope="module")
def shipped():
    return load_shipped()


@pytest.fixture(scope="module")
def own(shipped):
    return numbers_of(subject_of(shipped), "Thinking Machine")


@pytest.fixture(scope="module")
def between(shipped):
    return numbers_of(subject_of(shipped), "我喜欢茶", "I like tea")


def by_formula(numbers, score, causal, positions):
    """z of all heads side by side, ``[Nq, D]``."""
    given = numbers["inputs"][positions]
    keys = torch.tensor(given["keys"], dtype=torch.float64)
    queries = torch.tensor(given.get("queries", given["keys"]), dtype=torch.float64)
    w = {n: torch.tensor(m, dtype=torch.float64) for n, m in numbers["weights"].items()}
    found = []
    for h in range(HEADS):
        part = slice(h * DIM // HEADS, (h + 1) * DIM // HEADS)
        q, k, v = (
            queries @ w["query"][:, part],
            keys @ w["key"][:, part],
            keys @ w["value"][:, part],
        )
        logits = compare(numbers, score, q, k, h)
        if causal:
            logits = logits + torch.full_like(logits, -torch.inf).triu(1)
        found.append(logits.softmax(-1) @ v)
    return torch.cat(found, 1)


def compare(numbers, score, q, k, h):
    if score == "cosine":
        unit = [x / x.norm(dim=1, keepdim=True) for x in (q, k)]
        return numbers["scores"]["cosine"][h] * unit[0] @ unit[1].T
    if score == "additive":
        w, u, v = (
            torch.tensor(numbers["scores"]["additive"][n][h], dtype=torch.float64)
            for n in ("query", "key", "v")
        )
        return torch.tanh((q @ w)[:, None] + (k @ u)[None]) @ v
    return q @ k.T / (2 if score == "dot/on" else 1)


@pytest.mark.parametrize("which", ["own", "between"])
def test_what_pytorch_gave_is_what_the_formulas_give(which, request):
    numbers = request.getfixturevalue(which)
    expected = numbers["torch"]["z"]
    assert len(expected) == (16 if which == "own" else 8)
    for key, z in expected.items():
        score, reach, positions = key.split("|")
        found = by_formula(numbers, score, reach == "causal", positions)[0]
        assert found.tolist() == pytest.approx(z, abs=2e-5)
    usual = by_formula(numbers, "dot/on", False, "on")
    out = usual @ torch.tensor(numbers["weights"]["output"], dtype=torch.float64)
    assert torch.allclose(out, torch.tensor(numbers["torch"]["out"]).double(), atol=2e-5)


def test_the_input_is_the_embedding_and_the_position(shipped, own):
    ids = torch.tensor([[shipped.vocabulary.tokens.index(w) for w in ("thinking", "machine")]])
    encoder = shipped.network.encoder
    words = encoder.embedding(ids)
    off, on = (torch.tensor(own["inputs"][p]["keys"]) for p in ("off", "on"))
    assert torch.allclose(off, words[0], atol=1e-7)
    assert torch.allclose(on, encoder.positions.add(words)[0], atol=1e-7)


def test_switching_positions_off_leaves_the_network_as_it_was(shipped, own):
    assert numbers_of(subject_of(shipped), "Thinking Machine") == own


def test_the_queries_come_from_the_other_text(between):
    assert (between["keys"], between["queries"]) == ([*"我喜欢茶"], ["I", "like", "tea"])
    assert [len(between["inputs"]["on"][side]) for side in ("keys", "queries")] == [4, 3]


def test_the_numbers_are_plain_data(own):
    assert json.loads(json.dumps(own)) == own


def test_sixty_four_tokens_stay_a_small_page(shipped):
    text = " ".join(["he", "like", "machine", "?"] * 16)
    assert len(numbers_of(subject_of(shipped), text)["keys"]) == 64
    assert len(regard.explain(text).html().encode()) < 300_000
