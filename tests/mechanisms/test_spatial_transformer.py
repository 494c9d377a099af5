import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import regard
from regard.errors import RegardError
from regard.mechanisms.spatial_transformer import cell_means


def pooled(x):
    """Largest of each 2×2 block of [C, H, W]; a part of a block counts."""
    height, width = math.ceil(x.shape[1] / 2), math.ceil(x.shape[2] / 2)
    out = np.empty((x.shape[0], height, width))
    for i in range(height):
        for j in range(width):
            out[:, i, j] = x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max((1, 2))
    return out


def convolved(x, layer):
    """A padded 5×5 convolution and ReLU, place by place."""
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    padded = np.zeros((x.shape[0], x.shape[1] + 4, x.shape[2] + 4))
    padded[:, 2:-2, 2:-2] = x
    out = np.empty((weight.shape[0], *x.shape[1:]))
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            out[:, i, j] = (weight * padded[:, i : i + 5, j : j + 5]).sum((1, 2, 3)) + bias
    return np.maximum(out, 0)


def averaged(x, cells):
    """Cell means: each pixel repeated, so that every cell is a whole number of copies."""
    for axis in (1, 2):
        repeated = np.repeat(x, cells, axis)
        parts = np.split(repeated, cells, axis)
        x = np.concatenate([p.mean(axis, keepdims=True) for p in parts], axis)
    return x


def theta_by_hand(x, module):
    features = convolved(pooled(convolved(pooled(x), module.conv1)), module.conv2)
    hidden = module.hidden.weight.detach().numpy() @ averaged(features, 4).ravel()
    hidden = np.maximum(hidden + module.hidden.bias.detach().numpy(), 0)
    shift = module.shift.weight.detach().numpy() @ hidden + module.shift.bias.detach().numpy()
    if module.bound is not None:
        shift = module.bound * np.tanh(shift / module.bound)
    return np.eye(2, 3) + shift.reshape(2, 3)


def sampled_by_hand(x, theta, size):
    """The double sum of equation 5, for every output place."""
    channels, height, width = x.shape
    out = np.zeros((channels, *size))
    for i in range(size[0]):
        for j in range(size[1]):
            target = np.array([2 * j / (size[1] - 1) - 1, 2 * i / (size[0] - 1) - 1, 1])
            column, row = (theta @ target + 1) / 2 * (width - 1, height - 1)
            for n in range(height):
                for m in range(width):
                    share = max(0, 1 - abs(column - m)) * max(0, 1 - abs(row - n))
                    out[:, i, j] += share * x[:, n, m]
    return out


@pytest.mark.parametrize("variant", ["bounded", "paper"])
@pytest.mark.parametrize("size", [None, (3, 5)])
def test_it_is_the_papers_equations(variant, size, moved, drawn):
    module = moved(regard.get("spatial_transformer", 2, size=size, bound=0.7, variant=variant))
    for parameter in module.parameters():
        parameter.data *= 0.05
    x = drawn(2, 2, 7, 6)
    got, thetas = module(x), module.theta(x)
    for n in range(2):
        theta = theta_by_hand(x[n].numpy(), module)
        np.testing.assert_allclose(thetas[n].detach().numpy(), theta, rtol=1e-9, atol=1e-9)
        wanted = sampled_by_hand(x[n].numpy(), theta, size or (7, 6))
        np.testing.assert_allclose(got[n].detach().numpy(), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("start", ["paper", "identity"])
@pytest.mark.parametrize("variant", ["bounded", "paper"])
@pytest.mark.parametrize("space", [(28, 28), (33, 50), (1, 1), (224, 224)])
def test_it_begins_as_the_exact_identity(start, variant, space):
    module = regard.get("spatial_transformer", 3, start=start, variant=variant)
    x = torch.randn(1, 3, *space)
    assert torch.equal(module(x), x)


def test_the_number_of_parameters(count):
    assert [count(regard.get("spatial_transformer", c)) for c in (1, 3, 64)] == [
        500 * c + 16586 for c in (1, 3, 64)
    ]


def test_a_size_crops_or_enlarges():
    module, x = regard.get("spatial_transformer", 3, size=8), torch.randn(2, 3, 15, 15)
    assert module(x).shape == (2, 3, 8, 8)
    torch.testing.assert_close(module(x), x[:, :, ::2, ::2], rtol=1e-5, atol=1e-5)
    assert regard.get("spatial_transformer", 3, size=(4, 40))(x).shape == (2, 3, 4, 40)


def test_the_bound_holds_and_the_paper_has_none(moved, drawn):
    x, identity = 100 * drawn(3, 2, 9, 9), torch.eye(2, 3).double()
    bounded = moved(regard.get("spatial_transformer", 2, bound=0.25))
    assert (bounded.theta(x) - identity).abs().max() <= 0.25
    free = moved(regard.get("spatial_transformer", 2, variant="paper"))
    assert (free.theta(x) - identity).abs().max() > 10


def test_a_rotation_by_a_quarter_turn(drawn):
    module, x = regard.get("spatial_transformer", 1, variant="paper").double(), drawn(1, 1, 5, 5)
    turn = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]).double()
    module.shift.bias.data = (turn - torch.eye(2, 3)).flatten()
    torch.testing.assert_close(module(x), torch.rot90(x, 1, (2, 3)))


@pytest.mark.parametrize("space", [(8, 12), (4, 4), (16, 4)])
def test_cell_means_are_average_pooling_where_cells_are_whole(space, drawn):
    x = drawn(2, 3, *space)
    torch.testing.assert_close(cell_means(x, 4), F.adaptive_avg_pool2d(x, 4))


@pytest.mark.parametrize("space", [(1, 1), (2, 3), (5, 7), (13, 4)])
def test_cell_means_at_any_size_keep_the_mean(space, drawn):
    x = drawn(2, 3, *space)
    cells = cell_means(x, 4)
    np.testing.assert_allclose(cells[0].numpy(), averaged(x[0].numpy(), 4), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(cells.mean((2, 3)), x.mean((2, 3)), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "given", [{"bound": 0}, {"bound": -1.0}, {"size": 0}, {"size": (3, 0)}, {"size": (3,)}]
)
def test_what_cannot_be_built_is_an_error(given):
    with pytest.raises(RegardError, match=next(iter(given))):
        regard.get("spatial_transformer", 3, **given)


def test_what_is_no_image_is_an_error():
    with pytest.raises(RegardError, match="spatial_transformer takes 4 axes; the input has 3"):
        regard.get("spatial_transformer", 3)(torch.randn(2, 3, 8))
