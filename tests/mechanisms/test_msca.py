import math
from itertools import product

import pytest
import torch

import regard
from regard.errors import RegardError


def depthwise(x, conv):
    """A depthwise convolution of one sample [C, H, W], place by place."""
    out = torch.empty_like(x)
    _, height, width = x.shape
    rows, columns = conv.weight.shape[-2:]
    for c, i, j in product(*map(range, x.shape)):
        total = conv.bias[c].item()
        for p, q in product(range(rows), range(columns)):
            row, column = i + p - rows // 2, j + q - columns // 2
            if 0 <= row < height and 0 <= column < width:
                total += conv.weight[c, 0, p, q].item() * x[c, row, column].item()
        out[c, i, j] = total
    return out


def by_hand(sample, module):
    local = depthwise(sample, module.local)
    scales = [local]
    for row, column in zip(module.rows, module.columns, strict=True):
        scales.append(depthwise(depthwise(local, row), column))
    out = torch.empty_like(sample)
    weight, bias = module.mix.weight.flatten(1).tolist(), module.mix.bias.tolist()
    for c, i, j in product(*map(range, sample.shape)):
        terms = [w * s[k, i, j].item() for s in scales for k, w in enumerate(weight[c])]
        out[c, i, j] = sample[c, i, j] * (bias[c] + math.fsum(terms))
    return out


@torch.no_grad()
def test_it_is_the_papers_equation(moved, drawn):
    module, x = moved(regard.get("msca", 2)), drawn(1, 2, 7, 5)
    torch.testing.assert_close(module(x)[0], by_hand(x[0], module), rtol=1e-9, atol=1e-9)


def test_the_numbers_of_parameters(count):
    strips = sum(2 * (k + 1) for k in (7, 11, 21))
    for channels in (32, 64, 160, 256):
        due = (26 + strips) * channels + channels**2 + channels
        assert count(regard.get("msca", channels)) == due == channels**2 + 111 * channels


def test_strips_are_of_the_official_lengths_row_before_column():
    module = regard.get("msca", 4)
    assert [c.kernel_size for c in module.rows] == [(1, 7), (1, 11), (1, 21)]
    assert [c.kernel_size for c in module.columns] == [(7, 1), (11, 1), (21, 1)]
    assert not any(c.bias.any() for c in (module.local, *module.rows, module.mix))


def test_the_gate_sees_twelve_pixels_far_and_no_further(moved):
    module = moved(regard.get("msca", 1))
    x = torch.ones(1, 1, 1, 41, dtype=torch.float64)
    other = x.clone()
    other[..., 20] = 2
    changed = (module(other) != module(x)).flatten().nonzero().flatten() - 20
    assert (changed.min().item(), changed.max().item()) == (-12, 12)


def test_without_biases_it_is_quadratic(moved, drawn):
    module, x = moved(regard.get("msca", 4)), drawn(2, 4, 5, 3)
    for conv in (module.local, *module.rows, *module.columns, module.mix):
        torch.nn.init.zeros_(conv.bias)
    torch.testing.assert_close(module(3 * x), 9 * module(x))


def test_a_map_of_one_axis_is_an_error(drawn):
    with pytest.raises(RegardError, match="msca takes 4 axes; the input has 3"):
        regard.get("msca", 4).double()(drawn(2, 4, 5))
