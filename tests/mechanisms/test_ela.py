import math

import pytest
import torch

import regard
from regard.errors import RegardError


def gates_by_hand(strip, module):
    """σ(GN(conv)) of the means of one sample, a list of channels."""
    channels, length = len(strip), len(strip[0])
    kernel, each = module.conv.weight.tolist(), channels // module.conv.groups
    reach = len(kernel[0][0]) // 2
    made = [[0.0] * length for _ in range(channels)]
    for c in range(channels):
        for i in range(length):
            for k in range(each):
                for d in range(-reach, reach + 1):
                    if 0 <= i + d < length:
                        made[c][i] += kernel[c][k][d + reach] * strip[c // each * each + k][i + d]
    size = channels // module.norm.num_groups
    gamma, beta = module.norm.weight.tolist(), module.norm.bias.tolist()
    for first in range(0, channels, size):
        values = [v for row in made[first : first + size] for v in row]
        mean = math.fsum(values) / len(values)
        spread = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values) + 1e-5)
        for c in range(first, first + size):
            logits = [gamma[c] * (v - mean) / spread + beta[c] for v in made[c]]
            made[c] = [1 / (1 + math.exp(-z)) for z in logits]
    return made


def by_hand(x, module):
    out = torch.empty_like(x)
    for n, sample in enumerate(x.tolist()):
        rows = gates_by_hand([[sum(r) / len(r) for r in plane] for plane in sample], module)
        columns = gates_by_hand(
            [[sum(r) / len(r) for r in zip(*plane, strict=True)] for plane in sample], module
        )
        for c, plane in enumerate(sample):
            for i, row in enumerate(plane):
                for j, value in enumerate(row):
                    out[n, c, i, j] = value * rows[c][i] * columns[c][j]
    return out


@pytest.mark.parametrize(
    "given", [{}, {"kernel_size": 5, "groups": 2}, {"kernel_size": 3, "groups": 4}]
)
def test_it_is_the_papers_equation(given, moved, drawn):
    module, x = moved(regard.get("ela", 8, norm_groups=4, **given)), drawn(2, 8, 5, 3)
    torch.testing.assert_close(module(x), by_hand(x, module), rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count, table):
    made = [count(regard.get("ela", c, device="meta")) for c in table]
    assert made == [7 * c + 2 * c for c in table]
    tiny = regard.get("ela", 64, kernel_size=5, norm_groups=32)
    small = regard.get("ela", 64, kernel_size=5, groups=8)
    large = regard.get("ela", 64, groups=8)
    assert [count(m) for m in (tiny, small, large)] == [448, 64 * 8 * 5 + 128, 64 * 8 * 7 + 128]


def test_rows_and_columns_share_their_weights(moved, drawn):
    module, x = moved(regard.get("ela", 16)), drawn(2, 16, 5, 3)
    torch.testing.assert_close(module(x.transpose(2, 3)).transpose(2, 3), module(x))


def test_the_size_of_the_numbers_does_not_move_the_gates(moved, drawn):
    module, x = moved(regard.get("ela", 16)), 1e3 * drawn(2, 16, 5, 3)
    torch.testing.assert_close(module(8 * x), 8 * module(x))


def test_one_pixel_is_taken_even_alone(drawn):
    module, x = regard.get("ela", 16).double(), drawn(1, 16, 1, 1)
    torch.testing.assert_close(module(x), x / 4)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"kernel_size": 4}, "odd"),
        ({"norm_groups": 24}, "24 groups of the norm do not divide 64"),
        ({"groups": 7}, "7 groups do not divide 64"),
        ({"groups": 0}, "groups is 0"),
    ],
)
def test_what_cannot_be_built_is_an_error(given, words):
    with pytest.raises(RegardError, match=words):
        regard.get("ela", 64, **given)
