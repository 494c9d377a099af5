import math

import pytest
import torch

import regard
from regard.errors import RegardError


def sigmoid(logit):
    return 1 / (1 + math.exp(-logit))


def softmax_of_means(planes):
    raised = [math.exp(sum(map(sum, p)) / (len(p) * len(p[0]))) for p in planes]
    return [r / sum(raised) for r in raised]


def strip_gates(means, conv):
    """Gates [place][channel] from means [place][channel]."""
    weight, bias = conv.weight.flatten(1).tolist(), conv.bias.tolist()
    return [
        [
            sigmoid(b + sum(w * m for w, m in zip(row, mean, strict=True)))
            for row, b in zip(weight, bias, strict=True)
        ]
        for mean in means
    ]


def wide_by_hand(group, module):
    rows = [[sum(p[i]) / len(p[i]) for p in group] for i in range(len(group[0]))]
    columns = [[sum(r[j] for r in p) / len(p) for p in group] for j in range(len(group[0][0]))]
    a, b = strip_gates(rows, module.strip), strip_gates(columns, module.strip)
    out = []
    for c, plane in enumerate(group):
        gated = [[v * a[i][c] * b[j][c] for j, v in enumerate(row)] for i, row in enumerate(plane)]
        values = [v for row in gated for v in row]
        mean = sum(values) / len(values)
        spread = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values) + 1e-5)
        gamma, beta = module.norm.weight[c].item(), module.norm.bias[c].item()
        out.append([[gamma * (v - mean) / spread + beta for v in row] for row in gated])
    return out


def local_by_hand(group, conv):
    kernel, bias = conv.weight.tolist(), conv.bias.tolist()
    height, width = len(group[0]), len(group[0][0])
    out = []
    for c in range(len(group)):
        plane = [[bias[c]] * width for _ in range(height)]
        for k, source in enumerate(group):
            for i in range(height):
                for j in range(width):
                    for di in (-1, 0, 1):
                        for dj in (-1, 0, 1):
                            if 0 <= i + di < height and 0 <= j + dj < width:
                                tap = kernel[c][k][di + 1][dj + 1]
                                plane[i][j] += tap * source[i + di][j + dj]
        out.append(plane)
    return out


def by_hand(x, module):
    out = torch.empty_like(x)
    width = x.shape[1] // module.groups
    for n, sample in enumerate(x.tolist()):
        for first in range(0, x.shape[1], width):
            group = sample[first : first + width]
            wide, local = wide_by_hand(group, module), local_by_hand(group, module.local)
            p, q = softmax_of_means(wide), softmax_of_means(local)
            for i in range(x.shape[2]):
                for j in range(x.shape[3]):
                    logit = sum(p[c] * local[c][i][j] + q[c] * wide[c][i][j] for c in range(width))
                    out[n, first : first + width, i, j] = x[
                        n, first : first + width, i, j
                    ] * sigmoid(logit)
    return out


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_it_is_the_papers_equation(groups, moved, drawn):
    module, x = moved(regard.get("ema", 6, groups)), drawn(2, 6, 3, 4)
    torch.testing.assert_close(module(x), by_hand(x, module), rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count, table):
    made = [count(regard.get("ema", c, device="meta")) for c in table]
    assert made == [48, 176, 672, 2624, 10368, 41216]
    made = [count(regard.get("ema", c, groups=8, device="meta")) for c in table]
    assert made == [672, 2624, 10368, 41216, 164352, 656384]


def test_groups_are_as_if_they_were_samples(moved, drawn):
    whole, part = moved(regard.get("ema", 12, 3)), moved(regard.get("ema", 4, 1))
    x = drawn(2, 12, 3, 5)
    parts = part(x.unflatten(1, (3, 4)).flatten(0, 1))
    torch.testing.assert_close(whole(x), parts.unflatten(0, (2, 3)).flatten(1, 2))


def test_the_channels_of_a_group_share_one_gate_over_space(moved, drawn):
    module, x = moved(regard.get("ema", 12, 3)), drawn(2, 12, 3, 5)
    gate = (module(x) / x).unflatten(1, (3, 4))
    torch.testing.assert_close(gate, gate[:, :, :1].expand_as(gate))
    assert not torch.allclose(gate[:, 0], gate[:, 1])


@pytest.mark.parametrize("channels", [16, 48])
def test_channels_that_are_no_multiple_of_the_groups_are_an_error(channels):
    with pytest.raises(RegardError, match=f"32 groups do not divide {channels} channels"):
        regard.get("ema", channels)
