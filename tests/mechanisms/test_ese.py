import math

import pytest
import torch

import regard


def by_hand(x, layer, activation):
    """One layer on the means, number by number."""
    weight, bias = layer.weight.tolist(), layer.bias.tolist()
    out = torch.empty_like(x)
    for n in range(x.shape[0]):
        z = [math.fsum(c.flatten().tolist()) / c.numel() for c in x[n]]
        for c, (row, b) in enumerate(zip(weight, bias, strict=True)):
            out[n, c] = x[n, c] * activation(b + sum(w * v for w, v in zip(row, z, strict=True)))
    return out


ACTIVATIONS = {
    "official": lambda z: min(max(z + 3, 0), 6) / 6,
    "paper": lambda z: 1 / (1 + math.exp(-z)),
}


@pytest.mark.parametrize("variant", ACTIVATIONS)
def test_it_is_the_papers_equation(variant, moved, drawn):
    module, x = moved(regard.get("ese", 6, variant=variant)), 3 * drawn(3, 6, 3, 5)
    wanted = by_hand(x, module.excitation, ACTIVATIONS[variant])
    torch.testing.assert_close(module(x), wanted, rtol=1e-9, atol=1e-9)


def test_the_numbers_of_parameters_are_those_of_one_square_layer(count, table):
    made = [count(regard.get("ese", c, device="meta")) for c in table]
    assert made == [4160, 16512, 65792, 262656, 1049600, 4196352]


def test_a_zero_layer_gives_one_half(drawn):
    x = drawn(2, 16, 4, 4)
    for variant in ACTIVATIONS:
        module = regard.get("ese", 16, variant=variant).double()
        for parameter in module.parameters():
            torch.nn.init.zeros_(parameter)
        assert torch.equal(module(x), 0.5 * x)


def test_only_the_official_gate_closes_and_opens_fully(drawn):
    x = drawn(1, 4, 3, 3)
    for bias, gate in ((-3.0, 0.0), (3.0, 1.0)):
        closed = {}
        for variant in ACTIVATIONS:
            module = regard.get("ese", 4, variant=variant).double()
            torch.nn.init.zeros_(module.excitation.weight)
            torch.nn.init.constant_(module.excitation.bias, bias)
            closed[variant] = torch.equal(module(x), gate * x)
        assert closed == {"official": True, "paper": False}
