import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import regard
from regard.errors import RegardError
from regard.mechanisms.eca import adaptive_kernel


def by_hand(x, taps):
    """Each channel's gate from the means of its neighbours, zeros beyond the ends."""
    out, reach = torch.empty_like(x), len(taps) // 2
    for n in range(x.shape[0]):
        means = [math.fsum(c.flatten().tolist()) / c.numel() for c in x[n]]
        for c in range(x.shape[1]):
            near = range(c - reach, c + reach + 1)
            seen = [means[i] if 0 <= i < len(means) else 0.0 for i in near]
            logit = sum(t * m for t, m in zip(taps, seen, strict=True))
            out[n, c] = x[n, c] / (1 + math.exp(-logit))
    return out


@pytest.mark.parametrize("kernel_size", [1, 3, 5, 9])
def test_it_is_the_papers_equation(kernel_size, moved, drawn):
    module, x = moved(regard.get("eca", 6, kernel_size=kernel_size)), drawn(2, 6, 3, 5)
    wanted = by_hand(x, module.conv.weight.flatten().tolist())
    torch.testing.assert_close(module(x), wanted, rtol=1e-9, atol=1e-9)


def test_the_published_kernel_sizes_with_ties_resolved_upward(count, table):
    assert [count(regard.get("eca", c)) for c in table] == [3, 5, 5, 5, 5, 7]
    assert (adaptive_kernel(128), adaptive_kernel(2048)) == (5, 7)  # 4 and 6 lie between odds
    assert [adaptive_kernel(c) for c in (16, 32, 64, 1024)] == [3, 3, 3, 5]


def test_a_resnet_50_has_86_parameters_by_the_rule_and_80_as_released(count):
    stages = {256: 3, 512: 4, 1024: 6, 2048: 3}
    assert sum(n * count(regard.get("eca", c)) for c, n in stages.items()) == 86
    released = dict(zip(stages, (3, 5, 5, 7), strict=True))
    made = (n * count(regard.get("eca", c, released[c])) for c, n in stages.items())
    assert sum(made) == 80
    made = (n * count(regard.get("eca", c, variant="official")) for c, n in stages.items())
    assert sum(made) == 48


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 100_000))
def test_the_rule_gives_an_odd_number_within_one_of_its_value(channels):
    k = adaptive_kernel(channels)
    assert k % 2 == 1
    assert abs(k - (math.log2(channels) + 1) / 2) <= 1


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 5000), st.integers(1, 5000))
def test_more_channels_never_have_a_smaller_kernel(a, b):
    assert adaptive_kernel(min(a, b)) <= adaptive_kernel(max(a, b))


def test_one_tap_is_a_gate_of_each_channel_alone(moved, drawn):
    module, x = moved(regard.get("eca", 8, kernel_size=1)), drawn(2, 8, 4, 4)
    gate = torch.sigmoid(module.conv.weight.item() * x.mean((2, 3), keepdim=True))
    torch.testing.assert_close(module(x), x * gate)


def test_a_distant_channel_does_not_matter(moved, drawn):
    module, x = moved(regard.get("eca", 9, kernel_size=3)), drawn(1, 9, 4, 4)
    other = x.clone()
    other[:, 4] += 1
    changed = (module(x) != module(other)).flatten(2).any(-1)[0]
    assert changed.nonzero().flatten().tolist() == [3, 4, 5]


@pytest.mark.parametrize("kernel_size", [0, 2, -1])
def test_an_even_kernel_is_an_error(kernel_size):
    with pytest.raises(RegardError, match="eca needs an odd number"):
        regard.get("eca", 64, kernel_size=kernel_size)


def in_a_ring(x, taps):
    """Each channel's gate from the means of its neighbours, the first after the last."""
    out, reach = torch.empty_like(x), len(taps) // 2
    for n in range(x.shape[0]):
        means = [math.fsum(c.flatten().tolist()) / c.numel() for c in x[n]]
        for c in range(len(means)):
            near = [means[(c + i - reach) % len(means)] for i in range(len(taps))]
            logit = sum(t * m for t, m in zip(taps, near, strict=True))
            out[n, c] = x[n, c] / (1 + math.exp(-logit))
    return out


@pytest.mark.parametrize("kernel_size", [1, 3, 5, 11])
def test_the_circular_one_has_its_channels_in_a_ring(kernel_size, moved, drawn):
    module, x = moved(regard.get("eca_circular", 6, kernel_size)), drawn(2, 6, 3, 5)
    wanted = in_a_ring(x, module.conv.weight.flatten().tolist())
    torch.testing.assert_close(module(x), wanted, rtol=1e-9, atol=1e-9)


def test_turning_the_ring_turns_the_output(moved, drawn):
    module, x = moved(regard.get("eca_circular", 16)), drawn(2, 16, 3, 3)
    torch.testing.assert_close(module(x.roll(5, 1)), module(x).roll(5, 1))


def test_away_from_the_ends_the_ring_is_no_ring(moved, drawn):
    ring, row = moved(regard.get("eca_circular", 16, 5)), regard.get("eca", 16, 5).double()
    row.load_state_dict(ring.state_dict())
    x = drawn(2, 16, 3, 3)
    same = (ring(x) == row(x)).flatten(2).all(-1).all(0)
    assert same.nonzero().flatten().tolist() == list(range(2, 14))


def test_the_circular_kernel_follows_the_rule_and_is_three_at_least(count, table):
    assert [count(regard.get("eca_circular", c)) for c in table] == [3, 5, 5, 5, 5, 7]
    assert [count(regard.get("eca_circular", c)) for c in (1, 2, 4, 7, 8)] == [3] * 5


def test_a_kernel_that_goes_round_more_than_the_ring_is_an_error():
    with pytest.raises(RegardError, match="a ring of 2 channels takes at most 5"):
        regard.get("eca_circular", 2, 7)
    with pytest.raises(RegardError, match="eca needs an odd number"):
        regard.get("eca_circular", 8, 4)
