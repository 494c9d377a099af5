import math

import pytest
import torch

import regard
from regard.errors import RegardError
from regard.networks.sequences import RecurrentEncoderDecoder
from regard.networks.sequences.aligners import LocalAligner, aligner

MASK = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])


def drawn(*shape, seed=1):
    numbers = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=numbers, dtype=torch.float64)


@pytest.mark.parametrize("name", ["dot", "scaled_dot", "cosine", "general", "additive", "bahdanau"])
def test_what_is_found_is_what_the_catalogues_attention_finds(name, filled):
    looking = filled(aligner(name, 4, 4))
    state, values = drawn(2, 3, 4), drawn(2, 5, 4, seed=2)
    weights = looking(state, looking.prepare(values), MASK)
    wanted = regard.get(name, 4).double()
    wanted.load_state_dict(looking.core.state_dict())
    torch.testing.assert_close(weights @ values, wanted(state, values, mask=MASK))


def test_location_aware_weights_are_those_of_the_catalogue(filled):
    looking = filled(aligner("location", 4, 6))
    state, values = drawn(2, 1, 4), drawn(2, 5, 6, seed=2)
    first = looking(state, looking.prepare(values), MASK)
    second = looking(state, looking.prepare(values), MASK, first)
    torch.testing.assert_close(first, looking.core.align(state, values, MASK))
    torch.testing.assert_close(second, looking.core.align(state, values, MASK, first))
    assert not torch.allclose(first, second)


def test_local_weights_are_the_papers_equations(filled):
    looking = filled(LocalAligner(4, 6, window=1.5))
    state, values = drawn(2, 2, 4), drawn(2, 5, 6, seed=2)
    got = looking(state, looking.prepare(values), MASK)
    (weight,) = looking.base.core.learned()
    for b, length in enumerate((5, 3)):
        for t in range(2):
            h = state[b, t]
            inner = torch.tanh(looking.hidden.weight @ h) @ looking.place.weight[0]
            place = (length - 1) / (1 + math.exp(-float(inner.detach())))
            near = [j for j in range(length) if abs(j - place) <= 1.5]
            scores = [float((h @ weight[0] @ values[b, j]).detach()) for j in near]
            wanted = torch.zeros(5, dtype=torch.float64)
            for j, score in zip(near, scores, strict=True):
                share = math.exp(score) / sum(math.exp(s) for s in scores)
                wanted[j] = share * math.exp(-((j - place) ** 2) / (2 * 0.75**2))
            torch.testing.assert_close(got[b, t], wanted)


def test_additive_attention_begins_uniform():
    torch.manual_seed(0)
    looking = aligner("additive", 4, 6).double()
    weights = looking(drawn(2, 1, 4), looking.prepare(drawn(2, 5, 6)), MASK)
    torch.testing.assert_close(weights[:, 0], MASK / MASK.sum(1, keepdim=True).double())


@pytest.mark.parametrize("attention", ["additive", "location", "local_p", "dot"])
@pytest.mark.parametrize("wiring", ["bahdanau", "luong"])
def test_alignments_lie_on_the_real_tokens_of_a_source(attention, wiring, padded, filled):
    model = filled(
        RecurrentEncoderDecoder(10, 10, 6, 8, attention=attention, wiring=wiring, encoder_hidden=4)
    )
    _, source = padded(5, 1, 3)
    _, target = padded(4, 4, 4, seed=2)
    (weights,) = model.attention_weights(source, target).values()
    assert weights.shape == (3, 4, 5)
    assert not weights[(source == 0).unsqueeze(1).expand_as(weights)].any()
    if attention != "local_p":
        torch.testing.assert_close(weights.sum(-1), torch.ones(3, 4).double())


def test_without_attention_there_are_no_weights(padded, filled):
    model = filled(RecurrentEncoderDecoder(10, 10, 6, 8, attention="none"))
    assert model.attention_weights(padded(3, 2)[1], padded(2, 2)[1]) == {}


def test_without_attention_only_the_summary_of_a_source_is_seen(ids, filled):
    """Two sources with the same last states are the same to a decoder with a fixed context."""
    model = filled(RecurrentEncoderDecoder(10, 10, 6, 8, attention="none"))
    one = model.encode(ids(2, 4))
    target = ids(2, 3, seed=2)
    from dataclasses import replace

    other = replace(one, values=torch.zeros_like(one.values))
    torch.testing.assert_close(model.decode(target, other), model.decode(target, one))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"attention": "adittive"}, "cannot look by 'adittive'; nearest: additive"),
        ({"attention": "multihead"}, "cannot look by 'multihead'"),
        ({"attention": "dot"}, "dot compares a state of 8 with a source of 16; make them equal"),
        ({"wiring": "luogn"}, "wiring is 'luogn'; it can be 'bahdanau' or 'luong'"),
        ({"cell": "rnn"}, "cell is 'rnn'; it can be 'gru' or 'lstm'"),
        ({"layers": 0}, "layers is 0"),
        ({"attention": "local_p", "window": 0}, "window is 0"),
        ({"dropout": -1}, "dropout is -1"),
    ],
)
def test_what_cannot_be_built_is_an_error(given, words):
    with pytest.raises(RegardError, match=words):
        RecurrentEncoderDecoder(10, 10, 6, 8, **given)
