"""What attention with heads shares, whatever it is that the heads do."""

import inspect

import pytest
import torch
from torch import nn

import regard
from regard.errors import RegardError
from regard.mechanisms._heads import Heads

NAMES = [
    name
    for name in regard.names()
    if isinstance(regard.card(name).module, type) and issubclass(regard.card(name).module, Heads)
]


def made(name, dim, **given):
    return regard.get(name, dim, **{**regard.card(name).options, **given})


def takes(name, argument):
    return argument in inspect.signature(regard.card(name).module.forward).parameters


def test_there_are_many_of_them():
    assert len(NAMES) >= 14


@pytest.mark.parametrize("name", NAMES)
def test_a_map_attends_over_its_pixels(name, moved, drawn):
    module, x = moved(made(name, 16)), drawn(2, 16, 3, 4)
    tokens = x.flatten(2).transpose(1, 2)
    wanted = module(tokens).transpose(1, 2).unflatten(2, (3, 4))
    torch.testing.assert_close(module(x), wanted)
    torch.testing.assert_close(module(x.unsqueeze(2)).squeeze(2), wanted)


@pytest.mark.parametrize("name", NAMES)
def test_a_residual_is_added_where_asked(name, moved, drawn):
    plain = moved(made(name, 16))
    module, x = moved(made(name, 16, residual=True)), drawn(2, 5, 16)
    torch.testing.assert_close(module(x), x + plain(x))
    bare = made(name, 16, residual=False, start="identity").double()
    assert not bare(x).any()


@pytest.mark.parametrize("name", NAMES)
def test_plugging_changes_nothing(name, drawn):
    torch.manual_seed(0)
    host = nn.Sequential(nn.Linear(4, 16), nn.LayerNorm(16)).double().eval()
    x = drawn(2, 6, 4)
    before = host(x)
    regard.plug(host, name, at="1", example=x, mask=False, **regard.card(name).options)
    torch.testing.assert_close(host(x), before, rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_without_keys_gets_zeros_in_spite_of_biases(name, moved, drawn):
    module, x = (
        moved(made(name, 16, **({} if name == "differential" else {"bias": True}))),
        drawn(2, 5, 16),
    )
    mask = torch.tensor([[True] * 5, [False] * 5])
    out = module(x, mask=mask)
    assert not out[1].any()
    torch.testing.assert_close(out[:1], module(x[:1]))


@pytest.mark.parametrize("name", [n for n in NAMES if takes(n, "key")])
def test_sources_that_do_not_fit_are_an_error(name, drawn):
    module = made(name, 16).double()
    with pytest.raises(RegardError, match="as many values as keys"):
        module(drawn(2, 5, 16), drawn(2, 4, 16), drawn(2, 3, 16))
    with pytest.raises(RegardError, match=rf"{name} \(values\) was built for 16"):
        module(drawn(2, 5, 16), drawn(2, 4, 16), drawn(2, 4, 12))


@pytest.mark.parametrize("name", [n for n in NAMES if takes(n, "causal")])
def test_causal_goes_with_padding_in_front(name, moved, drawn):
    """Of a padded sequence the real tokens get what the sequence alone gives."""
    module = moved(made(name, 16))
    x, mask = drawn(2, 8, 16), torch.arange(8).expand(2, -1) < 5
    out = module(torch.where(mask.unsqueeze(2), x, 1e3), mask=mask, causal=True)
    torch.testing.assert_close(out[:, :5], module(x[:, :5], causal=True))
