import math

import pytest
import torch

import regard
from regard.errors import RegardError


def by_hand(x, regularization):
    """Mean, variance and gate of each channel, number by number."""
    out = torch.empty_like(x)
    for n, c in ((n, c) for n in range(x.shape[0]) for c in range(x.shape[1])):
        values = x[n, c].flatten().tolist()
        mean = math.fsum(values) / len(values)
        variance = math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)
        gated = [
            v / (1 + math.exp(-((v - mean) ** 2) / (4 * (variance + regularization)) - 0.5))
            for v in values
        ]
        out[n, c] = torch.tensor(gated, dtype=x.dtype).view(x.shape[2:])
    return out


@pytest.mark.parametrize("regularization", [1e-4, 0.1])
@pytest.mark.parametrize("scale", [1.0, 1e-2])
def test_it_is_the_papers_equation(regularization, scale, drawn):
    module, x = regard.get("simam", 4, regularization), scale * drawn(2, 4, 3, 5)
    torch.testing.assert_close(module(x), by_hand(x, regularization), rtol=1e-9, atol=1e-9)


def test_it_has_no_parameters(count):
    assert count(regard.get("simam", 64)) == 0


def test_no_gate_is_below_the_sigmoid_of_one_half(drawn):
    gate = regard.get("simam")(x := drawn(2, 4, 7, 5)) / x
    assert gate.min() >= 1 / (1 + math.exp(-0.5)) - 1e-12


def test_a_constant_map_and_a_single_place_have_the_lowest_gate(drawn):
    for x in (drawn(2, 4, 1, 1).expand(2, 4, 3, 5), drawn(2, 4, 1, 1)):
        torch.testing.assert_close(regard.get("simam")(x), x / (1 + math.exp(-0.5)))


def test_the_mean_of_the_distances_over_a_channel_is_that_of_the_paper(drawn):
    x = drawn(2, 4, 7, 5)
    gate = regard.get("simam", 4, 1e-12)(x) / x
    distance = 4 * (torch.logit(gate) - 0.5)
    wanted = torch.full((2, 4), 34 / 35, dtype=x.dtype)
    torch.testing.assert_close(distance.mean((2, 3)), wanted, rtol=1e-6, atol=0)


def test_an_offset_moves_no_gate(drawn):
    module, x = regard.get("simam"), drawn(2, 4, 7, 5)
    moved = x + 10
    torch.testing.assert_close(module(moved) / moved, module(x) / x)


def test_float16_holds_what_its_squares_would_not(drawn):
    x = (4000 * drawn(2, 4, 7, 5)).half()
    torch.testing.assert_close(
        regard.get("simam")(x).double(), regard.get("simam")(x.double()), rtol=4e-3, atol=0
    )


def test_a_regularization_of_zero_is_an_error():
    with pytest.raises(RegardError, match="regularization is 0"):
        regard.get("simam", 4, 0)
