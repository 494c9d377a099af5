import math
from itertools import product

import pytest
import torch

import regard
from regard.errors import RegardError


def scale_by_hand(sample, conv, c, i, j):
    """One place of a grouped convolution with zeros around the map."""
    channels, height, width = sample.shape
    kernel, reach = conv.weight[c].tolist(), conv.kernel_size[0] // 2
    each = channels // conv.groups
    first = c // (conv.out_channels // conv.groups) * each
    total = 0.0
    for k in range(each):
        for di in range(-reach, reach + 1):
            for dj in range(-reach, reach + 1):
                if 0 <= i + di < height and 0 <= j + dj < width:
                    tap = kernel[k][di + reach][dj + reach]
                    total += tap * sample[first + k, i + di, j + dj].item()
    return total


def excited_by_hand(means, module):
    w1, b1 = module.reduce.weight.tolist(), module.reduce.bias.tolist()
    w2, b2 = module.expand.weight.tolist(), module.expand.bias.tolist()
    hidden = [
        max(0.0, b + sum(w * m for w, m in zip(row, means, strict=True)))
        for row, b in zip(w1, b1, strict=True)
    ]
    logits = [
        b + sum(w * h for w, h in zip(row, hidden, strict=True))
        for row, b in zip(w2, b2, strict=True)
    ]
    return [1 / (1 + math.exp(-z)) for z in logits]


def by_hand(x, module, order):
    out = torch.empty_like(x)
    _, channels, height, width = x.shape
    part = channels // 4
    for n, sample in enumerate(x):
        scales = x.new_empty(4, part, height, width)
        for s, c, i, j in product(range(4), range(part), range(height), range(width)):
            scales[s, c, i, j] = scale_by_hand(sample, module.convs[s], c, i, j)
        excited = [excited_by_hand(s.flatten(1).mean(1).tolist(), module) for s in scales]
        for place, s in enumerate(order):
            for c in range(part):
                weight = math.exp(excited[s][c]) / sum(math.exp(e[c]) for e in excited)
                out[n, place * part + c] = weight * scales[s, c]
    return out


@pytest.mark.parametrize(
    ("variant", "order"), [("official", (3, 2, 1, 0)), ("paper", (0, 1, 2, 3))]
)
def test_it_is_the_papers_equation(variant, order, moved, drawn):
    module, x = moved(regard.get("epsa", 16, variant=variant)), drawn(1, 16, 2, 3)
    torch.testing.assert_close(module(x), by_hand(x, module, order), rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count, table):
    made = [count(regard.get("epsa", c, device="meta")) for c in table]
    assert made == [27121, 108450, 433732, 1734792, 6938896, 27755040]


def test_the_variants_differ_by_the_order_of_the_scales(moved, drawn):
    x = drawn(2, 64, 5, 3)
    official, paper = (moved(regard.get("epsa", 64, variant=v)) for v in ("official", "paper"))
    parts = official(x).unflatten(1, (4, 16))
    torch.testing.assert_close(paper(x), parts.flip(1).flatten(1, 2))


def test_the_weights_of_the_scales_sum_to_one(moved, drawn):
    module = moved(regard.get("epsa", 64))
    weights = module.excite(drawn(3, 64, 1, 1)).unflatten(1, (4, 16))
    torch.testing.assert_close(weights.sum(1), torch.ones(3, 16, dtype=torch.float64))
    assert weights.max() < math.e / (math.e + 3)  # a softmax of numbers between zero and one


def test_the_convolutions_have_the_official_groups_and_all_are_registered():
    module = regard.get("epsa", 128)
    assert [c.groups for c in module.convs] == [1, 4, 8, 16]
    assert [c.kernel_size[0] for c in module.convs] == [3, 5, 7, 9]
    assert len(list(module.parameters())) == 8


@pytest.mark.parametrize(("channels", "words"), [(30, "scales do not divide 30"), (24, "groups")])
def test_channels_that_cannot_be_split_are_an_error(channels, words):
    with pytest.raises(RegardError, match=words):
        regard.get("epsa", channels)
