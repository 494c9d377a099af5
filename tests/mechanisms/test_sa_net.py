import math

import pytest
import torch

import regard
from regard.errors import RegardError


def by_hand(x, module):
    """Group by group, number by number, each result put where the shuffle puts it."""
    _, channels, height, width = x.shape
    half = channels // (2 * module.groups)
    names = ("channel_weight", "channel_bias", "space_weight", "space_bias")
    cw, cb, sw, sb = (getattr(module, n).flatten().tolist() for n in names)
    out = torch.empty_like(x)
    for n, sample in enumerate(x):
        for c in range(channels):
            values = sample[c].flatten().tolist()
            mean = math.fsum(values) / len(values)
            spread = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values) + 1e-5)
            second, k = divmod(c % (2 * half), half)
            place = 2 * c if c < channels // 2 else 2 * c - channels + 1
            gamma, beta = module.norm.weight[k].item(), module.norm.bias[k].item()
            for i in range(height):
                for j in range(width):
                    value = sample[c, i, j].item()
                    normal = gamma * (value - mean) / spread + beta
                    logit = sw[k] * normal + sb[k] if second else cw[k] * mean + cb[k]
                    out[n, place, i, j] = value / (1 + math.exp(-logit))
    return out


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_it_is_the_papers_equation(groups, moved, drawn):
    module, x = moved(regard.get("sa_net", 12, groups)), drawn(2, 12, 3, 5)
    torch.testing.assert_close(module(x), by_hand(x, module), rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count, table):
    made = [count(regard.get("sa_net", c, device="meta")) for c in table[1:]]
    assert made == [6, 12, 24, 48, 96]


def test_both_gates_begin_at_sigma_of_one(drawn):
    module, x = regard.get("sa_net", 128).double(), drawn(2, 128, 3, 5)
    order = [c // 2 + 64 * (c % 2) for c in range(128)]
    torch.testing.assert_close(module(x), x[:, order] / (1 + math.exp(-1)))


def test_all_groups_share_the_parameters(moved, drawn):
    module = moved(regard.get("sa_net", 12, 3, shuffle=False))
    x = drawn(2, 12, 3, 5)
    turned = x.roll(4, 1)  # a whole group further
    torch.testing.assert_close(module(turned), module(x).roll(4, 1))


def test_an_identity_start_leaves_the_channels_in_their_order(drawn):
    x = drawn(2, 12, 3, 5)
    assert torch.equal(regard.get("sa_net", 12, 3, start="identity").double()(x), x)
    mixed = regard.get("sa_net", 12, 3, start="identity", shuffle=True).double()(x)
    assert torch.equal(mixed[:, 0::2], x[:, :6])
    assert torch.equal(mixed[:, 1::2], x[:, 6:])


def test_channels_that_are_no_multiple_of_the_halves_are_an_error():
    with pytest.raises(RegardError, match="128 halves of groups do not divide 64 channels"):
        regard.get("sa_net", 64)
    with pytest.raises(RegardError, match="groups"):
        regard.get("sa_net", 64, groups=0)
