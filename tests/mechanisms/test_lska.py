import math
from itertools import product

import pytest
import torch

import regard
from regard.errors import RegardError

SIZES = {7: (3, 3, 2), 11: (3, 5, 2), 23: (5, 7, 3), 35: (5, 11, 3), 41: (5, 13, 3), 53: (5, 17, 3)}


def depthwise(x, weight, bias, step):
    """A depthwise convolution of one sample [C, H, W], place by place."""
    out = torch.empty_like(x)
    _, height, width = x.shape
    rows, columns = weight.shape[-2:]
    for c, i, j in product(*map(range, x.shape)):
        total = bias[c].item()
        for p, q in product(range(rows), range(columns)):
            row, column = i + step * (p - rows // 2), j + step * (q - columns // 2)
            if 0 <= row < height and 0 <= column < width:
                total += weight[c, 0, p, q].item() * x[c, row, column].item()
        out[c, i, j] = total
    return out


def by_hand(sample, module, step):
    z = sample
    for name, taken in (
        ("local_row", 1), ("local_column", 1), ("dilated_row", step), ("dilated_column", step),
    ):  # fmt: skip
        conv = getattr(module, name)
        z = depthwise(z, conv.weight, conv.bias, taken)
    out = torch.empty_like(sample)
    for c, i, j in product(*map(range, sample.shape)):
        mixed = [
            w * v
            for w, v in zip(
                module.mix.weight[c, :, 0, 0].tolist(), z[:, i, j].tolist(), strict=True
            )
        ]
        out[c, i, j] = sample[c, i, j] * (math.fsum(mixed) + module.mix.bias[c].item())
    return out


@torch.no_grad()
@pytest.mark.parametrize("kernel_size", [7, 11, 23])
def test_it_is_the_papers_equation(kernel_size, moved, drawn):
    module, x = moved(regard.get("lska", 2, kernel_size)), drawn(1, 2, 8, 5)
    wanted = by_hand(x[0], module, SIZES[kernel_size][2])
    torch.testing.assert_close(module(x)[0], wanted, rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count, table):
    made = [count(regard.get("lska", c, device="meta")) for c in table]
    assert made == [5952, 20096, 72960, 276992, 1078272, 4253696]
    made = [count(regard.get("lska", 64, kernel_size=k)) for k in (7, 11, 23, 35, 53)]
    assert made == [5184, 5440, 5952, 6464, 7232]


@pytest.mark.parametrize("kernel_size", SIZES)
def test_the_official_sizes(kernel_size, moved):
    module = moved(regard.get("lska", 1, kernel_size))
    small, large, step = SIZES[kernel_size]
    assert module.local_row.kernel_size == (1, small)
    assert module.dilated_column.kernel_size == (large, 1)
    assert module.dilated_column.dilation == (step, step)
    x = torch.ones(1, 1, 1, 81, dtype=torch.float64)
    other = x.clone()
    other[..., 40] = 2
    changed = (module(other) != module(x)).flatten().nonzero().flatten() - 40
    reach = small // 2 + step * (large // 2)
    assert (changed.min().item(), changed.max().item()) == (-reach, reach)


def test_it_is_lka_with_kernels_of_rank_one(moved, drawn):
    module, whole = moved(regard.get("lska", 3)), regard.get("lka", 3).double()
    for part in ("local", "dilated"):
        row, column = getattr(module, f"{part}_row"), getattr(module, f"{part}_column")
        torch.nn.init.zeros_(row.bias)  # a bias between them would end at the border
        getattr(whole, part).weight.data = column.weight.data * row.weight.data
        getattr(whole, part).bias.data = column.bias.data
    whole.mix.load_state_dict(module.mix.state_dict())
    x = drawn(2, 3, 9, 7)
    torch.testing.assert_close(module(x), whole(x))


@pytest.mark.parametrize("kernel_size", [0, 5, 21, "7"])
def test_another_kernel_is_an_error(kernel_size):
    with pytest.raises(RegardError, match="7, 11, 23, 35, 41, 53"):
        regard.get("lska", 64, kernel_size)
