import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F

import regard
from regard.errors import RegardError
from regard.mechanisms.mixed_pooling import pooled, resized


def layer(x, module):
    """Convolution, normalisation and perhaps ReLU of one sample [C, H, W], place by place."""
    conv, norm = module[0], module[1]
    rows, columns = conv.kernel_size
    out = x.new_empty(conv.out_channels, *x.shape[1:])
    for c, i, j in product(*map(range, out.shape)):
        total = 0.0
        for p, q in product(range(rows), range(columns)):
            row, column = i + p - rows // 2, j + q - columns // 2
            if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                pixel = x[:, row, column].tolist()
                taps = conv.weight[c, :, p, q].tolist()
                total += sum(w * v for w, v in zip(taps, pixel, strict=True))
        spread = math.sqrt(norm.running_var[c].item() + 1e-5)
        centred = (total - norm.running_mean[c].item()) / spread
        value = norm.weight[c].item() * centred + norm.bias[c].item()
        out[c, i, j] = max(0.0, value) if len(module) == 3 else value
    return out


def pooled_by_hand(x, cells):
    out = x.new_empty(len(x), cells, cells)
    _, height, width = x.shape
    for i, j in product(range(cells), repeat=2):
        rows = slice(i * height // cells, math.ceil((i + 1) * height / cells))
        columns = slice(j * width // cells, math.ceil((j + 1) * width / cells))
        out[:, i, j] = x[:, rows, columns].mean((1, 2))
    return out


def enlarged_by_hand(x, height, width):
    out = x.new_zeros(len(x), height, width)
    for i, j in product(range(height), range(width)):
        row = i * (x.shape[1] - 1) / max(1, height - 1)
        column = j * (x.shape[2] - 1) / max(1, width - 1)
        for p, q in product(range(x.shape[1]), range(x.shape[2])):
            weight = max(0.0, 1 - abs(row - p)) * max(0.0, 1 - abs(column - q))
            out[:, i, j] += weight * x[:, p, q]
    return out


def by_hand(x, m):
    _, height, width = x.shape
    a, b = layer(x, m.enter_squares), layer(x, m.enter_strips)
    squares = layer(a, m.local)
    for part, cells in zip((m.fine, m.coarse), m.cells, strict=True):
        squares = squares + enlarged_by_hand(layer(pooled_by_hand(a, cells), part), height, width)
    strips = layer(b.mean(1, keepdim=True), m.columns) + layer(b.mean(2, keepdim=True), m.rows)
    both = [layer(squares.relu(), m.leave_squares), layer(strips.relu(), m.leave_strips)]
    return (x + layer(torch.cat(both), m.mix)).relu()


@torch.no_grad()
def test_it_is_the_papers_equation(moved, drawn):
    module, x = moved(regard.get("mixed_pooling", 4, (3, 2))), drawn(1, 4, 5, 4)
    torch.testing.assert_close(module(x)[0], by_hand(x[0], module), rtol=1e-9, atol=1e-9)


def test_the_numbers_of_parameters(count):
    for c in (64, 512):
        q = c // 4
        due = 2 * q * c + 5 * 9 * q * q + 2 * 3 * q * q + 2 * q * c + 2 * (9 * q + c)
        assert count(regard.get("mixed_pooling", c, device="meta")) == due


@pytest.mark.parametrize("space", [(1, 1), (5, 7), (12, 12), (23, 31)])
@pytest.mark.parametrize("cells", [1, 12, 20])
def test_pooling_and_enlarging_are_those_of_the_official_code(space, cells, drawn):
    x, small = drawn(2, 3, *space), drawn(2, 3, cells, cells)
    torch.testing.assert_close(pooled(x, cells), F.adaptive_avg_pool2d(x, cells))
    wanted = F.interpolate(small, space, mode="bilinear", align_corners=True)
    torch.testing.assert_close(resized(small, x), wanted)


def test_the_last_rectifier_goes_with_the_papers_start(moved, drawn):
    x = drawn(2, 8, 5, 4)
    plain = moved(regard.get("mixed_pooling", 8, rectify=False))
    assert plain(x).min() < 0
    assert torch.equal(moved(regard.get("mixed_pooling", 8))(x), plain(x).relu())
    bare = moved(regard.get("mixed_pooling", 8, rectify=False, residual=False))
    torch.testing.assert_close(plain(x), x + bare(x))


@pytest.mark.parametrize("cells", [(20,), 20, (20, 0)])
def test_what_cannot_be_built_is_an_error(cells):
    with pytest.raises(RegardError, match="cells"):
        regard.get("mixed_pooling", 64, cells)
