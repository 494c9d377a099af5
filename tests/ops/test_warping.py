import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from regard.errors import RegardError
from regard.ops.warping import reference_warp, sampling_points, warp

sides = st.integers(1, 7)
seeds = st.integers(0, 999)
IDENTITY = torch.eye(2, 3, dtype=torch.float64)


def drawn(shape, seed):
    numbers = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=numbers, dtype=torch.float64)


def by_pytorch(x, theta, size):
    grid = F.affine_grid(theta, [*x.shape[:2], *size], align_corners=True)
    return F.grid_sample(x, grid, "bilinear", "zeros", align_corners=True)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 3), sides, sides, st.tuples(sides, sides) | st.none(), seeds)
def test_it_is_the_affine_grid_and_sampler_of_pytorch(batch, height, width, size, seed):
    x = drawn((batch, 2, height, width), seed)
    theta = IDENTITY + drawn((batch, 2, 3), seed + 1)
    out = size or (height, width)
    if 1 in out:  # affine_grid puts a single point elsewhere; see the next test
        out = size = tuple(max(2, n) for n in out)
    got = warp(x, theta, size)
    assert got.shape == (batch, 2, *out)
    torch.testing.assert_close(got, by_pytorch(x, theta, out), rtol=1e-9, atol=1e-9)


def test_one_output_point_is_the_middle_of_the_frame():
    x = drawn((1, 2, 5, 3), 0)
    assert torch.equal(warp(x, IDENTITY[None], (1, 1))[..., 0, 0], x[:, :, 2, 1])


def test_by_the_papers_double_sum():
    x, theta = drawn((1, 1, 4, 3), 3), (IDENTITY + 0.4 * drawn((2, 3), 4))[None]
    got = warp(x, theta, (3, 5))
    for i in range(3):
        for j in range(5):
            target = (2 * j / 4 - 1, 2 * i / 2 - 1, 1.0)
            column, row = (
                (sum(float(t) * c for t, c in zip(line, target, strict=True)) + 1) / 2 * (n - 1)
                for line, n in zip(theta[0], (3, 4), strict=True)
            )
            wanted = sum(
                float(x[0, 0, n, m]) * max(0, 1 - abs(column - m)) * max(0, 1 - abs(row - n))
                for n in range(4)
                for m in range(3)
            )
            assert float(got[0, 0, i, j]) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("side", [1, 2, 7, 33, 224])
def test_the_identity_is_exact_in_float32(side):
    x = torch.randn(1, 2, side, side + 1)
    assert torch.equal(warp(x, torch.eye(2, 3)[None]), x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_identity_is_exact_in_half_precision(dtype):
    x = torch.randn(1, 2, 224, 224).to(dtype)
    got = warp(x, torch.eye(2, 3, dtype=dtype)[None])
    assert got.dtype == dtype
    assert torch.equal(got, x)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from([-1e30, -1e6, -3.0, 3.0, 1e6, 1e30]), st.sampled_from([0, 1]))
def test_wholly_outside_the_frame_is_zero(far, axis):
    theta = torch.eye(2, 3)[None].clone()
    theta[0, axis, 2] = far
    x, theta = torch.randn(1, 2, 4, 4).requires_grad_(), theta.requires_grad_()
    out = warp(x, theta)
    out.sum().backward()
    assert not out.any()
    assert not x.grad.any()
    assert not theta.grad.any()


def test_pixels_that_are_not_sampled_are_not_read():
    x = torch.full((1, 1, 9, 9), torch.nan)
    x[..., 2:7, 2:7] = torch.randn(1, 1, 5, 5)
    half = 0.49 * torch.eye(2, 3)[None]  # the middle half of the frame: pixels 2 to 6
    assert warp(x, half).isfinite().all()
    assert warp(x, half, (3, 3)).isfinite().all()


@settings(max_examples=50, deadline=None)
@given(sides, sides, st.tuples(sides, sides), seeds)
def test_a_crop_of_a_constant_is_that_constant(height, width, size, seed):
    theta = 0.5 * torch.eye(2, 3, dtype=torch.float64)[None]
    got = warp(torch.full((1, 3, height, width), 7.0, dtype=torch.float64), theta, size)
    torch.testing.assert_close(got, torch.full_like(got, 7.0))


@pytest.mark.parametrize("size", [None, (3, 6)])
def test_gradients_equal_finite_differences(size):
    x = drawn((2, 2, 4, 5), 0).requires_grad_()
    theta = (IDENTITY + 0.3 * drawn((2, 2, 3), 1)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, t: warp(x, t, size), (x, theta))


def test_gradients_are_those_of_pytorch():
    x, theta = drawn((2, 2, 5, 4), 0), IDENTITY + 0.3 * drawn((2, 2, 3), 1)
    results = []
    for function in (lambda x, t: warp(x, t, (4, 6)), lambda x, t: by_pytorch(x, t, (4, 6))):
        leaves = [x.clone().requires_grad_(), theta.clone().requires_grad_()]
        function(*leaves).square().sum().backward()
        results.append([leaf.grad for leaf in leaves])
    for got, wanted in zip(*results, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-9)


def test_two_backwards_give_the_same_bits():
    torch.use_deterministic_algorithms(True)
    try:
        grads = []
        for _ in range(2):
            x = drawn((1, 2, 30, 30), 0).requires_grad_()
            warp(x, 0.1 * IDENTITY[None], (90, 90)).sum().backward()  # many points a pixel
            grads.append(x.grad)
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(*grads)


def test_low_precision_keeps_positions_in_float32():
    theta = torch.eye(2, 3, dtype=torch.bfloat16)[None]
    column, row = sampling_points(theta, (300, 400))
    assert column.dtype == torch.float32
    assert torch.equal(column[0, 0], torch.arange(400.0))
    assert torch.equal(row[0, :, 0], torch.arange(300.0))


@pytest.mark.parametrize(
    ("x", "theta"),
    [
        ((2, 3, 4), (2, 2, 3)),
        ((2, 3, 4, 4), (2, 3, 3)),
        ((2, 3, 4, 4), (1, 2, 3)),
        ((2, 3, 4, 4), (6,)),
    ],
)
def test_other_shapes_are_an_error(x, theta):
    with pytest.raises(RegardError, match=r"warp takes a map \[B, C, H, W\] and theta \[B, 2, 3\]"):
        warp(torch.zeros(x), torch.zeros(theta))


def test_a_recorder_sees_the_call_and_fx_keeps_one_node(calls):
    x, theta = drawn((1, 2, 4, 4), 0), IDENTITY[None]
    with calls:
        warp(x, theta)
    assert warp in calls.seen
    graph = torch.fx.symbolic_trace(lambda x, theta: warp(x, theta))
    assert [n.target for n in graph.graph.nodes if n.op == "call_function"] == [warp]
    assert torch.equal(graph(x, theta), reference_warp(x, theta))
