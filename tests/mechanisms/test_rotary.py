import cmath

import pytest
import torch

import regard
from regard.errors import RegardError
from regard.ops import attend


def by_hand(x, base=10000.0, halves=False):
    """Each pair as a complex number, times e^(i p θ)."""
    out, (heads, places, dim) = torch.zeros_like(x), x.shape[1:]
    for b in range(x.shape[0]):
        for h in range(heads):
            for p in range(places):
                for i in range(dim // 2):
                    first, second = (i, i + dim // 2) if halves else (2 * i, 2 * i + 1)
                    pair = complex(x[b, h, p, first], x[b, h, p, second])
                    pair *= cmath.exp(1j * p * base ** (-2 * i / dim))
                    out[b, h, p, first], out[b, h, p, second] = pair.real, pair.imag
    return out


@pytest.mark.parametrize("halves", [False, True])
@pytest.mark.parametrize("dim", [2, 6, 8])
def test_it_multiplies_pairs_by_a_number_of_length_one(halves, dim, drawn):
    module, x = regard.get("rotary", dim, halves=halves), drawn(2, 2, 5, dim)
    torch.testing.assert_close(module(x), by_hand(x, halves=halves), rtol=1e-12, atol=1e-12)


def test_the_two_pairings_are_one_up_to_the_order_of_features(drawn):
    x, order = drawn(2, 2, 5, 8), torch.tensor([0, 2, 4, 6, 1, 3, 5, 7])
    neighbours = regard.get("rotary", 8)(x)
    halves = regard.get("rotary", 8, halves=True)(x[..., order])
    torch.testing.assert_close(halves, neighbours[..., order])
    assert not torch.allclose(regard.get("rotary", 8, halves=True)(x), neighbours)


def test_the_first_place_is_not_turned_and_no_length_changes(drawn):
    module, x = regard.get("rotary", 8), drawn(2, 3, 6, 8)
    assert torch.equal(module(x)[:, :, 0], x[:, :, 0])
    torch.testing.assert_close(module(x).norm(dim=-1), x.norm(dim=-1))


def test_attention_does_not_see_where_the_text_begins(drawn):
    module = regard.get("rotary", 8)
    q, k, v = (drawn(2, 2, 5, 8, seed=seed) for seed in (1, 2, 3))
    here = attend(module(q), module(k), v)
    there = attend(module(q, offset=17), module(k, offset=17), v)
    torch.testing.assert_close(here, there)
    assert not torch.allclose(here, attend(q, k, v))


def test_tokens_without_heads_are_one_head(drawn):
    module, x = regard.get("rotary", 4), drawn(2, 5, 4)
    assert torch.equal(module(x), module(x.unsqueeze(1)).squeeze(1))


def test_angles_are_exact_in_low_precision(drawn):
    module, x = regard.get("rotary", 4), drawn(1, 1, 4000, 4).bfloat16()
    exact = module(x.double())
    assert (module(x).double() - exact).abs().max() <= 2**-8 * exact.abs().max()


def test_an_odd_width_is_an_error():
    with pytest.raises(RegardError, match="dim is 7; rotary turns pairs and needs an even width"):
        regard.get("rotary", 7)


def as_complex_numbers(x):
    """Llama's order of operations, in float32."""
    places, dim = x.shape[-2:]
    rates = 1.0 / (10000.0 ** (torch.arange(0, dim, 2).float() / dim))
    angle = torch.outer(torch.arange(places).float(), rates)
    turn = torch.polar(torch.ones_like(angle), angle)
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * turn).flatten(-2)


@pytest.mark.parametrize("dim", [10, 64])
def test_far_places_are_turned_as_llama_turns_them(dim, drawn):
    x = drawn(2, 2001, dim).float()
    turned = regard.get("rotary", dim)(x)
    torch.testing.assert_close(turned, as_complex_numbers(x), rtol=0, atol=1e-5)
