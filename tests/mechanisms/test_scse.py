import math

import pytest
import torch

import regard


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def channel_gates(sample, half):
    """The gates of the channel half for one sample [C, H, W], number by number."""
    z = [math.fsum(c.flatten().tolist()) / c.numel() for c in sample]
    hidden = [
        max(0.0, b + sum(w * v for w, v in zip(row, z, strict=True)))
        for row, b in zip(half.reduce.weight.tolist(), half.reduce.bias.tolist(), strict=True)
    ]
    return [
        sigmoid(b + sum(w * h for w, h in zip(row, hidden, strict=True)))
        for row, b in zip(half.expand.weight.tolist(), half.expand.bias.tolist(), strict=True)
    ]


def spatial_gate(sample, half, i, j):
    weights = half.conv.weight.flatten().tolist()
    values = sample[:, i, j].tolist()
    return sigmoid(half.conv.bias.item() + sum(w * v for w, v in zip(weights, values, strict=True)))


JOINS = {"official": max, "paper": lambda a, b: a + b}


@pytest.mark.parametrize("variant", JOINS)
def test_it_is_the_papers_equation(variant, moved, drawn):
    module, x = moved(regard.get("scse", 4, variant=variant)), drawn(2, 4, 3, 5)
    out = torch.empty_like(x)
    for n, sample in enumerate(x):
        gates = channel_gates(sample, module.channel)
        for c, i, j in ((c, i, j) for c in range(4) for i in range(3) for j in range(5)):
            value = sample[c, i, j].item()
            place = spatial_gate(sample, module.spatial, i, j)
            out[n, c, i, j] = JOINS[variant](gates[c] * value, place * value)
    torch.testing.assert_close(module(x), out, rtol=1e-9, atol=1e-9)


def test_it_joins_its_two_halves(moved, drawn):
    x = drawn(2, 8, 4, 5)
    for variant, join in (("official", torch.maximum), ("paper", torch.add)):
        whole = moved(regard.get("scse", 8, variant=variant))
        channel, spatial = regard.get("scse_channel", 8), regard.get("scse_spatial", 8)
        channel.double().load_state_dict(whole.channel.state_dict())
        spatial.double().load_state_dict(whole.spatial.state_dict())
        torch.testing.assert_close(whole(x), join(channel(x), spatial(x)))


def test_the_published_numbers_of_parameters(count, table):
    made = [count(regard.get("scse", c, device="meta")) for c in table]
    assert made == [4257, 16705, 66177, 263425, 1051137, 4199425]
    assert count(regard.get("scse_spatial", 64)) == 65
    assert count(regard.get("scse_channel", 64)) == 4257 - 65


def test_a_negative_number_takes_the_smaller_gate_in_the_official_code(moved, drawn):
    module, x = moved(regard.get("scse", 8)), drawn(2, 8, 4, 5)
    gate = module(x) / x
    channel = module.channel(x) / x
    spatial = module.spatial(x) / x
    torch.testing.assert_close(gate[x > 0], torch.maximum(channel, spatial)[x > 0])
    torch.testing.assert_close(gate[x < 0], torch.minimum(channel, spatial)[x < 0])


def test_the_spatial_half_sees_one_place_at_a_time(moved, drawn):
    module, x = moved(regard.get("scse_spatial", 8)), drawn(1, 8, 4, 5)
    other = x.clone()
    other[..., 2, 3] += 1
    changed = (module(x) != module(other)).any(1)[0]
    assert changed.nonzero().tolist() == [[2, 3]]
