import math

import pytest
import torch

import regard
from regard.errors import RegardError


def step_by_hand(state, keys, last, module):
    """Energies w·tanh(W s + V h + U f + b) and their softmax, number by number."""
    filters = module.filter.weight[:, 0].tolist()
    half, energies = len(filters[0]) // 2, []
    for j in range(len(keys)):
        found = [
            sum(
                tap * last[j + t - half]
                for t, tap in enumerate(row)
                if 0 <= j + t - half < len(last)
            )
            for row in filters
        ]
        hidden = (
            module.query.weight @ state
            + module.key.weight @ keys[j]
            + module.key.bias
            + module.place.weight @ torch.tensor(found, dtype=torch.float64)
        )
        energies.append(
            sum(w * math.tanh(x) for w, x in zip(
                module.energy.weight[0].tolist(), hidden.tolist(), strict=True,
            ))
        )  # fmt: skip
    raised = [math.exp(e) for e in energies]
    return [r / sum(raised) for r in raised]


@pytest.fixture
def module(moved):
    return moved(regard.get("location", 3, key_dim=4, hidden=5, filters=2, taps=3))


def test_a_step_is_the_papers_equation(module, drawn):
    query, keys = drawn(2, 3, 3), drawn(2, 5, 4, seed=2)
    previous = drawn(2, 3, 5, seed=3).softmax(-1)
    weights, out = (f(query, keys, previous=previous) for f in (module.align, module))
    for b in range(2):
        for i in range(3):
            wanted = step_by_hand(query[b, i], keys[b], previous[b, i].tolist(), module)
            wanted = torch.tensor(wanted, dtype=torch.float64)
            torch.testing.assert_close(weights[b, i], wanted, rtol=1e-9, atol=1e-9)
            torch.testing.assert_close(out[b, i], wanted @ keys[b], rtol=1e-9, atol=1e-9)


def test_a_first_step_has_looked_at_the_first_key(module, drawn):
    query, keys = drawn(2, 3, 3), drawn(2, 5, 4, seed=2)
    first = torch.zeros(2, 3, 5).double()
    first[..., 0] = 1.0
    assert torch.equal(module(query, keys), module(query, keys, previous=first))


def test_a_decoder_goes_on_from_its_last_alignment(module, drawn):
    states, keys = drawn(1, 4, 3), drawn(1, 6, 4, seed=2)
    weights, last = None, [1.0, 0, 0, 0, 0, 0]
    for i in range(4):
        weights = module.align(states[:, i : i + 1], keys, previous=weights)
        last = step_by_hand(states[0, i], keys[0], last, module)
    wanted = torch.tensor(last, dtype=torch.float64)
    torch.testing.assert_close(weights[0, 0], wanted, rtol=1e-9, atol=1e-9)


def test_without_its_place_it_is_additive_attention(module, drawn):
    module.place.weight.data.zero_()
    module.key.bias.data.zero_()
    query, keys = drawn(2, 3, 3), drawn(2, 5, 4, seed=2)
    plain = regard.get("additive", 3, key_dim=4, hidden=5).double()
    plain.query.data[0], plain.key.data[0] = module.query.weight.T, module.key.weight.T
    plain.v.data = module.energy.weight.data
    torch.testing.assert_close(module(query, keys), plain(query, keys))


@pytest.mark.parametrize("at", [0, 2])
def test_padding_on_either_side_changes_nothing(at, module, drawn):
    query, keys = drawn(2, 3, 3), torch.full((2, 7, 4), 1e3).double()
    keys[:, at : at + 4] = drawn(2, 4, 4, seed=2)
    mask = torch.zeros(2, 7, dtype=torch.bool)
    mask[:, at : at + 4] = True
    alone = module.align(query, keys[:, at : at + 4])
    weights = module.align(query, keys, mask)
    torch.testing.assert_close(weights[..., at : at + 4], alone)
    assert not weights[~mask[:, None].expand(-1, 3, -1)].any()
    previous = torch.ones(2, 3, 7).double() / 4
    got = module(query, keys, mask=mask, previous=previous)
    inside = slice(at, at + 4)
    wanted = module(query, keys[:, inside], previous=previous[..., inside])
    torch.testing.assert_close(got, wanted)


def test_the_number_of_parameters(count):
    made = regard.get("location", 256, key_dim=512, hidden=512, device="meta")
    assert count(made) == 512 * (256 + 512 + 10 + 2) + 10 * 201


def test_it_begins_as_the_authors(count):
    torch.manual_seed(0)
    module = regard.get("location", 64)
    assert not module.key.bias.any()
    for layer in (module.query, module.key, module.filter, module.place):
        assert layer.weight.std().item() == pytest.approx(0.1, rel=0.1)


def test_what_it_cannot_do_is_an_error(module, drawn):
    query, keys = drawn(2, 3, 3), drawn(2, 5, 4, seed=2)
    with pytest.raises(RegardError, match=r"\[2, 3, 5\]; got \[2, 5\]"):
        module(query, keys, previous=drawn(2, 5))
    with pytest.raises(RegardError, match="as many values as keys"):
        module(query, keys, keys[:, :4])
    for given in ({"taps": 4}, {"filters": 0}, {"hidden": 0}, {"key_dim": 0}):
        with pytest.raises(RegardError, match=next(iter(given))):
            regard.get("location", 3, **given)
