import math

import pytest
import torch

import regard
from regard.errors import RegardError


def by_hand(x, width):
    """Means, their own mean and spread, and the Gaussian, number by number."""
    out = torch.empty_like(x)
    for n, sample in enumerate(x):
        means = [math.fsum(c.flatten().tolist()) / c.numel() for c in sample]
        mu = math.fsum(means) / len(means)
        sigma = math.sqrt(math.fsum((m - mu) ** 2 for m in means) / len(means)) + 1e-5
        for c, m in enumerate(means):
            out[n, c] = sample[c] * math.exp(-(((m - mu) / sigma) ** 2) / (2 * width**2))
    return out


@pytest.mark.parametrize("width", [0.5, 1.0, 2.0])
def test_it_is_the_papers_equation(width, drawn):
    x = drawn(2, 6, 3, 5)
    wanted = by_hand(x, width)
    torch.testing.assert_close(regard.get("gaussian_ct", 6, width)(x), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("theta", [-2.0, 0.0, 1.5])
def test_the_learned_width_lies_between_one_and_four(theta, drawn, count):
    x, module = drawn(2, 6, 3, 5), regard.get("gaussian_ct", 6, learnable=True).double()
    assert module.theta.item() == 0
    assert count(module) == 1
    torch.nn.init.constant_(module.theta, theta)
    wanted = by_hand(x, 1 + 3 / (1 + math.exp(-theta)))
    torch.testing.assert_close(module(x), wanted, rtol=1e-9, atol=1e-9)


def test_it_has_no_parameters_and_a_width_of_two(drawn, count):
    x, module = drawn(2, 6, 3, 5), regard.get("gaussian_ct", 6)
    assert count(module) == 0
    torch.testing.assert_close(module(x), regard.get("gaussian_ct", 6, 2.0)(x))


def test_the_largest_gate_is_one_and_at_the_mean_of_means(drawn):
    x = drawn(1, 3, 4, 4)
    x -= x.mean((2, 3), keepdim=True)
    x += torch.tensor([-1.0, 0.0, 1.0]).view(1, 3, 1, 1)
    gate = (regard.get("gaussian_ct", 3)(x) / x)[0, :, 0, 0]
    torch.testing.assert_close(gate[1].item(), 1.0)
    torch.testing.assert_close(gate[0], gate[2])
    assert gate[0] < 1


def test_a_common_offset_and_scale_of_the_means_do_not_matter(drawn):
    module, x = regard.get("gaussian_ct", 6, epsilon=0.0), drawn(2, 6, 3, 5)
    gate = module(x) / x
    moved = 1000 * x + 3000
    torch.testing.assert_close(module(moved) / moved, gate)


def test_equal_means_are_the_identity_and_have_a_gradient():
    x = torch.ones(2, 6, 3, 5).double().requires_grad_()
    y = regard.get("gaussian_ct", 6, learnable=True).double()(x)
    y.sum().backward()
    torch.testing.assert_close(y, x)
    torch.testing.assert_close(x.grad, torch.ones_like(x))


def test_a_width_that_is_not_above_zero_is_an_error():
    with pytest.raises(RegardError, match="width is 0"):
        regard.get("gaussian_ct", 6, 0)
