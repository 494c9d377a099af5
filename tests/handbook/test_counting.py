"""Numbers on the pages are those of the modules."""

import pytest
import torch

import regard
from regard.handbook.counting import drift, parameters, sizes_of


@pytest.mark.parametrize("name", regard.names())
def test_parameters_are_those_of_the_module(name):
    card = regard.card(name)
    for size in (n for n in sizes_of(card) if n <= 256):  # larger ones are the same formula
        count = parameters(card, size)
        if count is None:
            with pytest.raises(regard.RegardError):
                regard.get(name, size, **card.options)
        else:
            module = regard.get(name, size, **{**card.options, "device": "meta"})
            assert sum(p.numel() for p in module.parameters()) == count


class Twice(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()

    def forward(self, x):
        return 2 * x


def test_drift_is_relative_to_the_input(card_of):
    assert drift(card_of(Twice, parameters="0")) == pytest.approx(1.0)


def test_a_code_of_places_has_no_drift():
    assert drift(regard.card("sinusoidal")) is None
