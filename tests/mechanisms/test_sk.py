import math

import pytest
import torch

import regard
from regard.errors import RegardError


def normalised(value, norm, c):
    spread = math.sqrt(norm.running_var[c].item() + 1e-5)
    normal = (value - norm.running_mean[c].item()) / spread
    return norm.weight[c].item() * normal + norm.bias[c].item()


def branch_by_hand(sample, conv, norm, groups, dilation):
    """A grouped, dilated convolution, BatchNorm and rectifier of one sample, place by place."""
    channels, height, width = sample.shape
    weight, size, out = conv.weight.tolist(), channels // groups, torch.empty_like(sample)
    for o in range(channels):
        first = o // size * size
        for i, j in ((i, j) for i in range(height) for j in range(width)):
            total = 0.0
            for c, kernel in enumerate(weight[o]):
                for a, b in ((a, b) for a in range(3) for b in range(3)):
                    row, column = i + (a - 1) * dilation, j + (b - 1) * dilation
                    if 0 <= row < height and 0 <= column < width:
                        total += kernel[a][b] * sample[first + c, row, column].item()
            out[o, i, j] = max(0.0, normalised(total, norm, o))
    return out


def by_hand(x, module, groups):
    out = torch.zeros_like(x)
    channels = x.shape[1]
    for n, sample in enumerate(x):
        maps = [
            branch_by_hand(sample, branch[0], branch[1], groups, b + 1)
            for b, branch in enumerate(module.branches)
        ]
        means = [
            math.fsum(v for u in maps for v in u[c].flatten().tolist()) / sample[c].numel()
            for c in range(channels)
        ]
        hidden = [
            max(
                0.0, normalised(sum(w * m for w, m in zip(row, means, strict=True)), module.norm, i)
            )
            for i, row in enumerate(module.reduce.weight.tolist())
        ]
        logits = [
            sum(w * h for w, h in zip(row, hidden, strict=True))
            for row in module.select.weight.tolist()
        ]
        for c in range(channels):
            powers = [math.exp(logits[b * channels + c]) for b in range(len(maps))]
            for u, power in zip(maps, powers, strict=True):
                out[n, c] += power / sum(powers) * u[c]
    return out


@pytest.mark.parametrize(("branches", "groups"), [(1, 4), (2, 2), (3, 1)])
def test_it_is_the_papers_equation(branches, groups, moved, drawn):
    module = moved(regard.get("sk", 4, 2, branches=branches, groups=groups, least=3))
    x = drawn(2, 4, 5, 4)
    torch.testing.assert_close(module(x), by_hand(x, module, groups), rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count):
    made = [count(regard.get("sk", c, device="meta")) for c in (128, 256, 512, 1024)]
    assert made == [22080, 62528, 198720, 790656]


def test_the_shares_of_the_branches_sum_to_one(moved, drawn):
    module = moved(regard.get("sk", 8, branches=3))
    shares = module.excite(drawn(2, 8, 1, 1))
    assert shares.shape == (2, 3, 8)
    torch.testing.assert_close(shares.sum(1), torch.ones(2, 8, dtype=torch.float64))


def test_a_zero_choice_is_the_mean_of_the_branches(moved, drawn):
    module, x = moved(regard.get("sk", 8)), drawn(2, 8, 5, 4)
    torch.nn.init.zeros_(module.select.weight)
    mean = (module.branches[0](x) + module.branches[1](x)) / 2
    torch.testing.assert_close(module(x), mean)


def test_the_groups_divide_the_channels():
    groups = [regard.get("sk", c).branches[0][0].groups for c in (64, 48, 24, 7)]
    assert groups == [32, 16, 8, 1]
    with pytest.raises(RegardError, match="5 groups do not divide 64 channels evenly"):
        regard.get("sk", 64, groups=5)


def test_a_map_with_other_axes_than_it_was_built_for_is_an_error(drawn):
    with pytest.raises(RegardError, match="sk with dims=2 takes 4 axes; the input has 3"):
        regard.get("sk", 8).double()(drawn(2, 8, 4))
