import pytest
import torch
import torch.nn.functional as F

from regard.errors import RegardError
from regard.ops import using, warp

# shape, size of the output, spread of theta around the identity
CASES = [
    ((4, 3, 17, 23), None, 0.1),
    ((2, 2, 32, 20), (25, 31), 0.4),
    ((3, 1, 9, 9), (1, 5), 0.3),
    ((2, 5, 1, 7), (4, 4), 0.3),
    ((1, 9, 30, 30), None, 0.3),
    ((2, 3, 1, 1), (3, 3), 0.3),
]
IDENTITY = torch.eye(2, 3)
DRAWS = 16


def drawn_theta(batch, spread, seed):
    numbers = torch.Generator().manual_seed(seed + 900)
    return IDENTITY + spread * torch.randn((batch, 2, 3), generator=numbers)


def run(x, theta, size, dtype):
    x, theta = (t.detach().to(dtype).clone().requires_grad_() for t in (x, theta))
    y = warp(x, theta, size)
    numbers = torch.Generator().manual_seed(3)
    y.backward(torch.randn(y.shape, generator=numbers).to(dtype))
    return [y.detach(), x.grad, theta.grad]


@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize(("shape", "size", "spread"), CASES, ids=str)
def test_output_and_gradients_are_as_exact_as_the_plain_form(
    shape, size, spread, last, drawn, assert_as_exact
):
    draws = []
    for seed in range(DRAWS):
        x, theta = drawn(shape, seed, last=last), drawn_theta(shape[0], spread, seed)
        with using("cpu"):
            ours = run(x, theta, size, torch.float32)
        with using("torch"):
            plain = run(x, theta, size, torch.float32)
            draws.append((ours, plain, run(x, theta, size, torch.float64)))
    assert_as_exact(draws)


def test_it_is_grid_sample_on_an_affine_grid(with_kernels, drawn):
    x, theta = drawn((3, 4, 21, 17)), drawn_theta(3, 0.3, 0)
    grid = F.affine_grid(theta, [3, 4, 11, 13], align_corners=True)
    wanted = F.grid_sample(x, grid, align_corners=True)
    torch.testing.assert_close(warp(x, theta, (11, 13)), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(224, 224), (7, 5), (1, 1)])
def test_the_identity_is_exact(size, with_kernels, drawn):
    x = drawn((2, 3, *size))
    assert torch.equal(warp(x, IDENTITY.expand(2, 2, 3)), x)


@pytest.mark.parametrize("shift", [(0.0, 9.0), (-9.0, 0.0), (1e30, -1e30)])
def test_wholly_outside_is_zero_with_zero_gradients(shift, with_kernels, drawn):
    theta = IDENTITY.repeat(2, 1, 1)
    theta[:, :, 2] = torch.tensor(shift)
    x, theta = drawn((2, 3, 12, 12)).requires_grad_(), theta.requires_grad_()
    y = warp(x, theta)
    y.sum().backward()
    assert not y.any()
    assert not x.grad.any()
    assert not theta.grad.any()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_diverged_theta_is_seen_as_the_plain_form_sees_it(value, with_kernels, drawn):
    x, theta = drawn((2, 3, 16, 16)), IDENTITY.repeat(2, 1, 1)
    theta[1, 0, 0] = value
    got = warp(x, theta)
    with using("torch"):
        torch.testing.assert_close(got, warp(x, theta), equal_nan=True)


def test_a_frozen_map_and_a_fixed_theta(with_kernels, drawn):
    x, theta = drawn((2, 3, 16, 16)), drawn_theta(2, 0.2, 1)
    both = run(x, theta, None, torch.float32)
    free = theta.clone().requires_grad_()
    numbers = torch.Generator().manual_seed(3)
    dy = torch.randn((2, 3, 16, 16), generator=numbers)
    warp(x, free).backward(dy)
    assert torch.equal(free.grad, both[2])
    given = x.clone().requires_grad_()
    warp(given, theta).backward(dy)
    assert torch.equal(given.grad, both[1])


def test_the_same_bits_on_any_number_of_threads(with_kernels, drawn):
    x, theta = drawn((3, 4, 60, 60)), drawn_theta(3, 0.2, 1)
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append(run(x, theta, None, torch.float32))
    finally:
        torch.set_num_threads(threads)
    assert all(map(torch.equal, found[0], found[1]))
    assert all(map(torch.equal, found[0], found[2]))


def test_a_second_derivative_is_refused(with_kernels, drawn):
    x, theta = drawn((2, 3, 16, 16)), drawn_theta(2, 0.2, 1).requires_grad_()
    with pytest.raises(RegardError, match="warp: the CPU kernel has no second derivative"):
        torch.autograd.grad(warp(x, theta).square().sum(), theta, create_graph=True)
