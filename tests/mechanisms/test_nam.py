import math

import pytest
import torch

import regard
from regard.errors import RegardError


def by_hand(x, norm):
    """BatchNorm, the share of each factor and the gate, place by place."""
    total, out = math.fsum(abs(g) for g in norm.weight.tolist()), torch.empty_like(x)
    for c in range(x.shape[1]):
        gamma, beta = norm.weight[c].item(), norm.bias[c].item()
        spread = math.sqrt(norm.running_var[c].item() + 1e-5)
        for n, i, j in ((n, i, j) for n in range(2) for i in range(3) for j in range(5)):
            value = x[n, c, i, j].item()
            normal = gamma * (value - norm.running_mean[c].item()) / spread + beta
            out[n, c, i, j] = value / (1 + math.exp(-abs(gamma) / total * normal))
    return out


def test_it_is_the_papers_equation(moved, drawn):
    module, x = moved(regard.get("nam", 4)), drawn(2, 4, 3, 5)
    torch.testing.assert_close(module(x), by_hand(x, module.norm), rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count, table):
    assert [count(regard.get("nam", c)) for c in table] == [128, 256, 512, 1024, 2048, 4096]


def test_the_shares_are_constants_in_backward(moved, drawn):
    module, x = moved(regard.get("nam", 4)), drawn(2, 4, 3, 5)
    gamma = module.norm.weight.detach().clone()
    module(x).sum().backward()

    def fixed(factors):
        view = (1, -1, 1, 1)
        normal = (x - module.norm.running_mean.view(view)) / (
            module.norm.running_var.view(view) + 1e-5
        ).sqrt()
        share = gamma.detach().abs() / gamma.detach().abs().sum()
        logits = share.view(view) * (factors.view(view) * normal + module.norm.bias.view(view))
        return (x * torch.sigmoid(logits)).sum()

    (wanted,) = torch.autograd.grad(fixed(factors := gamma.requires_grad_()), factors)
    torch.testing.assert_close(module.norm.weight.grad, wanted)


def test_a_channel_whose_factor_is_zero_has_a_gate_of_one_half(moved, drawn):
    module, x = moved(regard.get("nam", 4)), drawn(2, 4, 3, 5)
    module.norm.weight.data[1] = 0
    assert torch.equal(module(x)[:, 1], 0.5 * x[:, 1])
    module.norm.weight.data.zero_()
    assert torch.equal(module(x), 0.5 * x)


def test_a_map_with_other_axes_than_it_was_built_for_is_an_error(drawn):
    with pytest.raises(RegardError, match="nam with dims=2 takes 4 axes; the input has 3"):
        regard.get("nam", 8).double()(drawn(2, 8, 4))
    with pytest.raises(RegardError, match="dims is 4"):
        regard.get("nam", 8, dims=4)
