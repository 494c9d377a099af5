import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F

import regard
from regard.errors import RegardError
from regard.mechanisms.scsa import window_means


def sigmoid(logit):
    return 1 / (1 + math.exp(-logit))


def normalised(rows, norm):
    """Groups of rows with mean zero and variance one, times γ plus β of the row."""
    size, out = len(rows) // norm.num_groups, []
    for first in range(0, len(rows), size):
        values = [v for row in rows[first : first + size] for v in row]
        mean = math.fsum(values) / len(values)
        spread = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values) + 1e-5)
        for c in range(first, first + size):
            gamma, beta = norm.weight[c].item(), norm.bias[c].item()
            out.append([gamma * (v - mean) / spread + beta for v in rows[c]])
    return out


def strip_gates(means, module, norm):
    quarter, made = len(means) // 4, []
    for c, row in enumerate(means):
        conv = module.strips[c // quarter]
        kernel, bias = conv.weight[c % quarter, 0].tolist(), conv.bias[c % quarter].item()
        reach = len(kernel) // 2
        made.append([
            bias + sum(
                kernel[d + reach] * row[i + d]
                for d in range(-reach, reach + 1) if 0 <= i + d < len(row)
            )
            for i in range(len(row))
        ])  # fmt: skip
    return [[sigmoid(v) for v in row] for row in normalised(made, norm)]


def channel_gate(planes, module):
    height, width = len(planes[0]), len(planes[0][0])
    tall, wide = min(module.window, height), min(module.window, width)
    windows = list(product(range(height // tall), range(width // wide)))
    pooled = [
        [
            sum(p[a * tall + i][b * wide + j] for i, j in product(range(tall), range(wide)))
            / (tall * wide)
            for a, b in windows
        ]
        for p in planes
    ]
    pooled = normalised(pooled, module.norm)
    query, key, value = (
        [[w * v for v in row] for w, row in zip(m.weight.flatten().tolist(), pooled, strict=True)]
        for m in (module.query, module.key, module.value)
    )
    size, gate = len(planes) // module.heads, []
    for c in range(len(planes)):
        others = range(c // size * size, c // size * size + size)
        scores = [
            sum(a * b for a, b in zip(query[c], key[d], strict=True)) / math.sqrt(size)
            for d in others
        ]
        raised = [math.exp(s) for s in scores]
        seen = [
            sum(r * value[d][n] for r, d in zip(raised, others, strict=True)) / sum(raised)
            for n in range(len(windows))
        ]
        gate.append(sigmoid(sum(seen) / len(seen)))
    return gate


def by_hand(x, module):
    out = torch.empty_like(x)
    for n, sample in enumerate(x.tolist()):
        rows = [[sum(r) / len(r) for r in plane] for plane in sample]
        columns = [[sum(r) / len(r) for r in zip(*plane, strict=True)] for plane in sample]
        down = strip_gates(rows, module, module.norm_height)
        across = strip_gates(columns, module, module.norm_width)
        once = [
            [[v * down[c][i] * across[c][j] for j, v in enumerate(row)] for i, row in enumerate(p)]
            for c, p in enumerate(sample)
        ]
        gates = channel_gate(once, module)
        for c, gate in enumerate(gates):
            out[n, c] = gate * torch.tensor(once[c], dtype=x.dtype)
    return out


@pytest.mark.parametrize(("heads", "window"), [(1, 2), (2, 3), (4, 7)])
def test_it_is_the_papers_equation(heads, window, moved, drawn):
    module, x = moved(regard.get("scsa", 8, heads, window=window)), drawn(2, 8, 7, 5)
    torch.testing.assert_close(module(x), by_hand(x, module), rtol=1e-9, atol=1e-9)


def test_the_numbers_of_parameters(count):
    for channels in (16, 64, 512):
        strips = (3 + 5 + 7 + 9 + 4) * channels // 4
        norms, projections = 3 * 2 * channels, 3 * channels
        assert count(regard.get("scsa", channels)) == strips + norms + projections


@pytest.mark.parametrize("space", [(7, 7), (15, 22), (14, 9)])
def test_windows_are_those_of_average_pooling(space, drawn):
    x = drawn(2, 3, *space)
    torch.testing.assert_close(window_means(x, 7), F.avg_pool2d(x, 7))


def test_a_map_smaller_than_a_window_is_one_window(drawn):
    x = drawn(2, 3, 4, 9)
    torch.testing.assert_close(window_means(x, 7), x[..., :7].mean((2, 3), keepdim=True))


def test_heads_keep_to_their_channels(moved, drawn):
    module, x = moved(regard.get("scsa", 8, 2)), drawn(1, 8, 7, 7)
    torch.nn.init.ones_(module.norm.weight)
    gate = module.over_channels(x)
    module.value.weight.data[4:] *= 2
    other = module.over_channels(x)
    assert torch.equal(other[:, :4], gate[:, :4])
    assert not torch.isclose(other[:, 4:], gate[:, 4:]).any()


@pytest.mark.parametrize(
    ("channels", "given", "words"),
    [
        (30, {}, "4 parts do not divide 30"),
        (64, {"heads": 3}, "3 heads do not divide 64"),
        (64, {"window": 0}, "window is 0"),
    ],
)
def test_what_cannot_be_built_is_an_error(channels, given, words):
    with pytest.raises(RegardError, match=words):
        regard.get("scsa", channels, **given)
