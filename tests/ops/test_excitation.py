import copy
import math

import pytest
import torch
from torch import nn

from regard.ops import Bottleneck, Neighbours, ScaledSigmoid, Window


def drawn(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def sigma(number):
    return 1 / (1 + math.exp(-number))


def test_a_bottleneck_adds_the_logits_of_its_statistics():
    reduce, expand = nn.Linear(5, 2).double(), nn.Linear(2, 5).double()
    statistics = [drawn(1, 5, 1, 1), drawn(1, 5, 1, 1).flip(1), 2 * drawn(1, 5, 1, 1)]
    gate = Bottleneck(reduce, expand, ScaledSigmoid(2.0))(*statistics)
    logits = [0.0] * 5
    for statistic in statistics:
        values = statistic.flatten().tolist()
        hidden = [
            max(0.0, b + sum(w * v for w, v in zip(row, values, strict=True)))
            for row, b in zip(reduce.weight.tolist(), reduce.bias.tolist(), strict=True)
        ]
        for c, (row, b) in enumerate(
            zip(expand.weight.tolist(), expand.bias.tolist(), strict=True)
        ):
            logits[c] += b + sum(w * h for w, h in zip(row, hidden, strict=True))
    torch.testing.assert_close(gate, torch.tensor([[2 * sigma(v) for v in logits]]).double())


def test_neighbours_look_k_channels_wide():
    conv = nn.Conv1d(1, 1, 3, padding=1, bias=False).double()
    mean, taps = drawn(1, 4, 1), conv.weight.flatten().tolist()
    values = [0.0, *mean.flatten().tolist(), 0.0]
    wanted = [sigma(sum(taps[t] * values[c + t] for t in range(3))) for c in range(4)]
    gate = Neighbours(conv, ScaledSigmoid())(mean)
    torch.testing.assert_close(gate, torch.tensor([wanted], dtype=torch.float64))


def test_a_window_takes_its_statistics_in_order():
    conv = nn.Conv2d(2, 1, 3, padding=1, bias=False).double()
    mean, top = drawn(2, 1, 4, 5), drawn(2, 1, 4, 5).flip(0)
    window = Window(conv, nn.Identity(), ScaledSigmoid())
    whole = window(mean, top)
    assert whole.shape == (2, 1, 4, 5)
    nn.init.zeros_(conv.weight[:, 1:].detach())
    torch.testing.assert_close(window(mean, top), window(mean, 0 * top))
    assert not torch.allclose(window(top, mean), window(mean, top))


@pytest.mark.parametrize("top", [1.0, 2.0])
def test_zero_logits_give_half_of_the_top(top):
    assert torch.equal(ScaledSigmoid(top)(torch.zeros(3)), torch.full((3,), top / 2))


def test_an_excitation_holds_layers_and_can_be_copied():
    excite = Neighbours(nn.Conv1d(1, 1, 3, padding=1, bias=False), ScaledSigmoid())
    other = copy.deepcopy(excite)
    nn.init.zeros_(other.conv.weight)
    assert not torch.equal(other.conv.weight, excite.conv.weight)
