import math

import pytest
import torch

import regard
from regard.errors import RegardError


def by_hand(x, module, groups):
    """Means, their normalisation within groups, and the gate, number by number."""
    w, b = module.weight.tolist(), module.bias.tolist()
    out = torch.empty_like(x)
    for n, sample in enumerate(x):
        means = [math.fsum(c.flatten().tolist()) / c.numel() for c in sample]
        size = len(means) // groups
        for c, m in enumerate(means):
            group = means[c // size * size : c // size * size + size]
            mu = math.fsum(group) / size
            variance = math.fsum((v - mu) ** 2 for v in group) / size
            z = (m - mu) / math.sqrt(variance + 1e-5)
            out[n, c] = sample[c] / (1 + math.exp(-w[c] * z - b[c]))
    return out


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_it_is_the_papers_equation(groups, moved, drawn):
    module, x = moved(regard.get("lct", 12, groups)), drawn(2, 12, 3, 5)
    torch.testing.assert_close(module(x), by_hand(x, module, groups), rtol=1e-9, atol=1e-9)


def test_the_numbers_of_parameters(count, table):
    assert [count(regard.get("lct", c)) for c in table] == [2 * c for c in table]


def test_the_gate_begins_at_the_sigmoid_of_one(drawn):
    x = drawn(2, 16, 4, 4)
    torch.testing.assert_close(regard.get("lct", 16).double()(x), x / (1 + math.exp(-1)))


@pytest.mark.parametrize(("channels", "groups"), [(64, 16), (32, 16), (24, 4), (16, 8), (9, 1)])
def test_by_default_no_group_has_a_single_channel(channels, groups):
    assert regard.get("lct", channels).groups == groups


def test_only_channels_of_the_same_group_matter(moved, drawn):
    module, x = moved(regard.get("lct", 12, 3)), drawn(1, 12, 4, 4)
    other = x.clone()
    other[:, 5] += 1
    changed = (module(x) != module(other)).flatten(2).any(-1)[0]
    assert changed.nonzero().flatten().tolist() == [4, 5, 6, 7]


def test_groups_that_do_not_divide_the_channels_are_an_error():
    with pytest.raises(RegardError, match="5 groups do not divide 12 channels evenly"):
        regard.get("lct", 12, 5)


@pytest.mark.parametrize(("channels", "groups"), [(1, None), (12, 12)])
def test_groups_of_one_channel_would_be_a_constant_and_are_an_error(channels, groups):
    with pytest.raises(RegardError, match="have one each, which normalised is zero"):
        regard.get("lct", channels, groups)
