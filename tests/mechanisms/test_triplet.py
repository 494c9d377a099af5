import math

import pytest
import torch

import regard
from regard.errors import RegardError


def gate_by_hand(plane, face):
    """σ(BN(conv)) of a list of rows of stacks of numbers, place by place."""
    kernel, norm = face.conv.weight[0].tolist(), face.norm
    reach, rows, columns = len(kernel[0]) // 2, len(plane), len(plane[0])
    spread = math.sqrt(norm.running_var.item() + 1e-5)
    gate = [[0.0] * columns for _ in range(rows)]
    for i in range(rows):
        for j in range(columns):
            total = 0.0
            for di in range(-reach, reach + 1):
                for dj in range(-reach, reach + 1):
                    if 0 <= i + di < rows and 0 <= j + dj < columns:
                        stack = plane[i + di][j + dj]
                        total += kernel[0][di + reach][dj + reach] * max(stack)
                        total += kernel[1][di + reach][dj + reach] * math.fsum(stack) / len(stack)
            logit = norm.weight.item() * (total - norm.running_mean.item()) / spread
            gate[i][j] = 1 / (1 + math.exp(-logit - norm.bias.item()))
    return gate


def by_hand(x, module):
    out = torch.empty_like(x)
    _, channels, height, width = x.shape
    cs, hs, ws = range(channels), range(height), range(width)
    for n, sample in enumerate(x.tolist()):
        cw = gate_by_hand([[[sample[c][h][w] for h in hs] for w in ws] for c in cs], module.cw)
        hc = gate_by_hand([[[sample[c][h][w] for w in ws] for c in cs] for h in hs], module.hc)
        hw = gate_by_hand([[[sample[c][h][w] for c in cs] for w in ws] for h in hs], module.hw)
        for c in cs:
            for h in hs:
                for w in ws:
                    gate = (hw[h][w] + cw[c][w] + hc[h][c]) / 3
                    out[n, c, h, w] = sample[c][h][w] * gate
    return out


@pytest.mark.parametrize("kernel_size", [3, 7])
def test_it_is_the_papers_equation(kernel_size, moved, drawn):
    module, x = moved(regard.get("triplet", 4, kernel_size)), drawn(2, 4, 5, 3)
    torch.testing.assert_close(module(x), by_hand(x, module), rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count, table):
    assert {count(regard.get("triplet", c)) for c in table} == {300}
    assert count(regard.get("triplet", 64, kernel_size=3)) == 60


def test_a_gate_may_close(drawn):
    module, x = regard.get("triplet", 4).double().eval(), drawn(2, 4, 5, 3)
    for face in (module.cw, module.hc, module.hw):
        torch.nn.init.constant_(face.norm.bias, -40.0)
    assert module(x).abs().max() < 1e-12


def test_turning_the_map_exchanges_its_faces(moved, drawn):
    module, turned = moved(regard.get("triplet", 6)), regard.get("triplet", 6).double().eval()
    turned.hw.load_state_dict(module.cw.state_dict())
    turned.cw.load_state_dict(module.hw.state_dict())
    turned.hc.load_state_dict(module.hc.state_dict())
    turned.hc.conv.weight.data = module.hc.conv.weight.data.transpose(2, 3).clone()
    x = drawn(2, 6, 6, 5)  # as many rows as channels: they may change places
    torch.testing.assert_close(turned(x.transpose(1, 2)).transpose(1, 2), module(x))


def test_the_order_of_the_channels_matters(moved, drawn):
    module, x = moved(regard.get("triplet", 8)), drawn(1, 8, 5, 6)
    order = torch.tensor([3, 0, 7, 1, 5, 2, 6, 4])
    assert not torch.allclose(module(x[:, order]), module(x)[:, order])


def test_the_normalisation_is_that_of_the_official_code(drawn):
    module = regard.get("triplet", 4)
    for face in (module.cw, module.hc, module.hw):
        assert (face.norm.eps, face.norm.momentum) == (1e-5, 0.01)
        assert (face.norm.weight.item(), face.norm.bias.item()) == (1.0, 0.0)


@pytest.mark.parametrize("kernel_size", [0, 4, -3])
def test_an_even_kernel_is_an_error(kernel_size):
    with pytest.raises(RegardError, match="kernel_size"):
        regard.get("triplet", 64, kernel_size)
