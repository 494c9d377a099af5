import math

import numpy as np
import pytest
import torch

import regard
from regard.errors import RegardError

KINDS = {"attention": 3, "projective": 8, "tps": 32}


def get(kind, *sizes, **given):
    return regard.get(f"spatial_transformer_{kind}", *sizes, dtype=torch.float64, **given)


def still(kind, numbers, **given):
    """A transformer that gives the same numbers for every input."""
    module = get(kind, 2, variant="paper", **given).eval()
    module.shift.bias.data = torch.as_tensor(numbers, dtype=torch.float64)
    return module


def splined(moves, x, y):
    """The spline through 16 moves by solving for each coordinate, as in Bookstein's paper."""
    points = [(-1 + 2 * c / 3, -1 + 2 * r / 3) for r in range(4) for c in range(4)]

    def bend(a, b):
        square = (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2
        return square * math.log(square) if square else 0.0

    system = np.zeros((19, 19))
    for i, p in enumerate(points):
        system[i] = [*(bend(p, q) for q in points), 1, *p]
        system[16:, i] = 1, *p
    weights = np.linalg.solve(system, np.concatenate((moves, np.zeros((3, 2)))))
    return np.array([*(bend((x, y), q) for q in points), 1, x, y]) @ weights


def source(kind, numbers, x, y):
    """Where the point (x, y) of the output comes from."""
    n = np.asarray(numbers)
    if kind == "attention":
        return (1 + n[0]) * x + n[1], (1 + n[0]) * y + n[2]
    if kind == "projective":
        h = np.append(n, 0).reshape(3, 3) + np.eye(3)
        across, down, depth = h @ (x, y, 1)
        return across / depth, down / depth
    right, lower = splined(n.reshape(16, 2), x, y)
    return x + right, y + lower


def sampled(x, kind, numbers, size):
    """The double sum of equation 5, for every output place of one sample [C, H, W]."""
    channels, height, width = x.shape
    out = np.zeros((channels, *size))
    for i in range(size[0]):
        for j in range(size[1]):
            target = 2 * j / (size[1] - 1) - 1, 2 * i / (size[0] - 1) - 1
            place = source(kind, numbers, *target)
            column, row = (place[0] + 1) / 2 * (width - 1), (place[1] + 1) / 2 * (height - 1)
            for n in range(height):
                for m in range(width):
                    share = max(0, 1 - abs(column - m)) * max(0, 1 - abs(row - n))
                    out[:, i, j] += share * x[:, n, m]
    return out


@pytest.mark.parametrize("size", [None, (3, 5)])
@pytest.mark.parametrize("kind", KINDS)
def test_it_samples_where_the_equations_say(kind, size, drawn):
    numbers = 0.2 * drawn(KINDS[kind], seed=3)
    module, x = still(kind, numbers, size=size), drawn(2, 2, 6, 7)
    got = module(x)
    for n in range(2):
        wanted = sampled(x[n].numpy(), kind, numbers.numpy(), size or (6, 7))
        np.testing.assert_allclose(got[n].detach().numpy(), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("start", ["paper", "identity"])
@pytest.mark.parametrize("variant", ["bounded", "paper"])
@pytest.mark.parametrize("space", [(28, 28), (33, 50), (1, 1), (224, 224)])
@pytest.mark.parametrize("kind", KINDS)
def test_it_begins_as_the_exact_identity(kind, start, variant, space):
    module = regard.get(f"spatial_transformer_{kind}", 3, start=start, variant=variant)
    x = torch.randn(1, 3, *space)
    assert torch.equal(module(x), x)


@pytest.mark.parametrize("kind", KINDS)
def test_the_number_of_parameters(kind, count):
    module = regard.get(f"spatial_transformer_{kind}", 3)
    assert count(module) == 500 * 3 + 16460 + 21 * KINDS[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_follow_the_input_and_keep_the_bound(kind, moved, drawn):
    module, x = moved(get(kind, 2, bound=0.3)), 50 * drawn(3, 2, 9, 8)
    assert module.regress(x).abs().max() <= 0.3
    for layer in (module.conv1, module.conv2, module.hidden, module.shift):
        layer.weight.data *= 0.1
    numbers = module.regress(x / 50)
    assert (numbers[0] != numbers[1]).all()
    assert get(kind, 2, variant="paper").bound is None


def test_the_denominator_of_a_bounded_projection_stays_positive(moved, drawn):
    for bound in (0.5, 1.0, 10.0):
        module = moved(get("projective", 2, bound=bound))
        depth = module.theta(50 * drawn(20, 2, 9, 8))[:, 2, :2]
        assert depth.abs().sum(1).max() <= 0.9
        assert torch.isfinite(module(50 * drawn(20, 2, 9, 8))).all()


@pytest.mark.parametrize("kind", ["projective", "tps"])
def test_an_affine_map_is_the_affine_transformers(kind, drawn):
    theta = 0.3 * drawn(2, 3, seed=4)
    affine, x = regard.get("spatial_transformer", 2, variant="paper").double(), drawn(2, 2, 8, 7)
    affine.shift.bias.data = theta.flatten()
    if kind == "projective":
        numbers = torch.cat((theta.flatten(), torch.zeros(2)))
    else:
        side = torch.linspace(-1, 1, 4, dtype=torch.float64)
        points = torch.stack((side.repeat(4), side.repeat_interleave(4), torch.ones(16)), 1)
        numbers = (points @ theta.T).flatten()
    torch.testing.assert_close(still(kind, numbers)(x), affine(x))


def test_the_restricted_form_is_the_affine_one_with_equal_scales(drawn):
    affine, x = regard.get("spatial_transformer", 2, variant="paper").double(), drawn(2, 2, 8, 7)
    affine.shift.bias.data = torch.tensor([-0.4, 0, 0.2, 0, -0.4, -0.1]).double()
    torch.testing.assert_close(still("attention", [-0.4, 0.2, -0.1])(x), affine(x))


def test_a_spline_goes_through_its_control_points(drawn):
    moves = 0.1 * drawn(16, 2)
    module = still("tps", moves.flatten(), size=4)
    ramp = torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, 201).double()] * 2, indexing="xy"))
    side = torch.linspace(-1, 1, 4, dtype=torch.float64)
    wanted = torch.stack((side.repeat(4), side.repeat_interleave(4)), 1) + moves
    inside = (wanted.abs() <= 1).all(1)
    got = module(ramp.unsqueeze(0))[0].flatten(1).T
    assert inside.sum() >= 4
    torch.testing.assert_close(got[inside], wanted[inside])


def test_a_horizon_in_perspective_keeps_straight_lines_straight(drawn):
    module = still("projective", [0, 0, 0, 0, 0, 0, 0.2, 0.3], size=9)
    ramp = torch.stack(torch.meshgrid(*[torch.linspace(-4, 4, 9).double()] * 2, indexing="xy"))
    x, y = module(ramp.unsqueeze(0))[0, :, 4, 3:6]
    torch.testing.assert_close((x[1] - x[0]) * (y[2] - y[0]), (x[2] - x[0]) * (y[1] - y[0]))


@pytest.mark.parametrize("given", [{"bound": 0}, {"size": 0}, {"size": (3,)}])
@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_built_is_an_error(kind, given):
    with pytest.raises(RegardError, match=next(iter(given))):
        get(kind, 3, **given)


@pytest.mark.parametrize("kind", ["projective", "tps"])
def test_what_is_no_image_is_an_error(kind, drawn):
    with pytest.raises(RegardError, match=f"spatial_transformer_{kind} takes 4 axes"):
        get(kind, 3)(drawn(2, 3, 8))
