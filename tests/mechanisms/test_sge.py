import math

import pytest
import torch

import regard
from regard.errors import RegardError


def by_hand(x, module, groups):
    """Likeness to the mean, its normalisation over places and the gate, number by number."""
    size, out = x.shape[1] // groups, torch.empty_like(x)
    for n in range(x.shape[0]):
        for g in range(groups):
            places = x[n, g * size : (g + 1) * size].flatten(1).T.tolist()
            mean = [math.fsum(column) / len(places) for column in zip(*places, strict=True)]
            s = [sum(a * b for a, b in zip(place, mean, strict=True)) for place in places]
            centre = math.fsum(s) / len(s)
            deviation = math.sqrt(math.fsum((v - centre) ** 2 for v in s) / (len(s) - 1)) + 1e-5
            for c in range(size):
                plane, gated = x[n, g * size + c].flatten().tolist(), []
                for v, value in zip(s, plane, strict=True):
                    logit = module.weight[g].item() * (v - centre) / deviation
                    gated.append(value / (1 + math.exp(-logit - module.bias[g].item())))
                out[n, g * size + c] = torch.tensor(gated, dtype=x.dtype).view(x.shape[2:])
    return out


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_it_is_the_papers_equation(groups, moved, drawn):
    module, x = moved(regard.get("sge", 6, groups)), drawn(2, 6, 3, 5)
    torch.testing.assert_close(module(x), by_hand(x, module, groups), rtol=1e-9, atol=1e-9)


def test_there_are_64_groups_where_these_divide_the_channels(count, table):
    assert [count(regard.get("sge", c)) for c in table] == [128] * 6
    assert [regard.get("sge", c).groups for c in (16, 24, 30, 96, 7)] == [16, 8, 2, 32, 1]


def test_the_gate_begins_at_the_sigmoid_of_one(drawn):
    x = drawn(2, 16, 4, 5)
    torch.testing.assert_close(regard.get("sge", 16).double()(x), x / (1 + math.exp(-1)))


def test_the_gate_is_one_for_all_channels_of_a_group(moved, drawn):
    module, x = moved(regard.get("sge", 12, 3)), drawn(2, 12, 4, 5)
    gate = (module(x) / x).unflatten(1, (3, 4))
    torch.testing.assert_close(gate, gate[:, :, :1].expand_as(gate))


def test_other_groups_do_not_matter(moved, drawn):
    module, x = moved(regard.get("sge", 12, 3)), drawn(1, 12, 4, 4)
    other = x.clone()
    other[:, 5] += drawn(4, 4, seed=2)
    changed = (module(x) != module(other)).flatten(2).any(-1)[0]
    assert changed.nonzero().flatten().tolist() == [4, 5, 6, 7]


def test_a_single_place_and_a_constant_map_have_the_gate_of_the_bias(moved, drawn):
    module = moved(regard.get("sge", 4, 2))
    gate = torch.sigmoid(module.bias).repeat_interleave(2).view(1, 4, 1, 1)
    for x in (drawn(2, 4, 1, 1), drawn(2, 4, 1, 1).expand(2, 4, 2, 4)):
        torch.testing.assert_close(module(x), x * gate)


def test_groups_that_do_not_divide_the_channels_are_an_error():
    with pytest.raises(RegardError, match="5 groups do not divide 12 channels evenly"):
        regard.get("sge", 12, 5)
