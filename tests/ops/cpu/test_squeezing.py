import pytest
import torch

from regard.errors import RegardError
from regard.ops import squeeze, using
from regard.ops.squeezing import reference_squeeze

SHAPES = [(2, 19, 17, 23), (1, 70, 13, 9), (3, 5, 41), (2, 6, 5, 4, 7), (4, 1, 8, 8)]
OVERS = ["space", "channels", "height", "width"]
DRAWS = 16


def gate_for(shape, over, drawn):
    kept = (
        (*shape[:2], *[1] * (len(shape) - 2)) if over == "channels" else (shape[0], 1, *shape[2:])
    )
    return drawn(kept, 9).sigmoid()


def run(x, gate, over, stats, ds):
    """Statistics, and the gradients of map and gate."""
    x = x.detach().requires_grad_()
    gate = None if gate is None else gate.detach().requires_grad_()
    found = squeeze(x, over, stats, gate=gate)
    torch.autograd.backward(found, ds)
    return [*(f.detach() for f in found), x.grad, *([] if gate is None else [gate.grad])]


def compared(x, gate, over, stats, drawn):
    probe = reference_squeeze(x, over, stats)
    ds = [drawn(tuple(s.shape), 50 + i) for i, s in enumerate(probe)]
    wide = (
        x.double(),
        None if gate is None else gate.double(),
        over,
        stats,
        [d.double() for d in ds],
    )
    with using("cpu"):
        ours = run(x, gate, over, stats, ds)
    with using("torch"):
        return ours, run(x, gate, over, stats, ds), run(*wide)


@pytest.mark.parametrize("ties", [False, True], ids=["", "ties"])
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("over", OVERS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("stats", [("mean",), ("max",), ("max", "mean")], ids="+".join)
def test_statistics_and_gradients(stats, shape, over, last, ties, drawn, assert_as_exact):
    if over == "height" and len(shape) == 3:
        shape = (*shape, 3)
    assert_as_exact(
        compared(drawn(shape, seed, ties, last), None, over, stats, drawn) for seed in range(DRAWS)
    )


@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("over", ["space", "channels"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_of_the_map_times_a_gate(shape, over, last, drawn, assert_as_exact):
    gate = gate_for(shape, over, drawn)
    assert_as_exact(
        compared(drawn(shape, seed, seed % 2 == 0, last), gate, over, ("mean", "max"), drawn)
        for seed in range(DRAWS)
    )


def test_the_gradient_of_a_maximum_is_shared_among_ties(with_kernels):
    x = torch.zeros(1, 2, 3, 3)
    x[0, 1, 0, 0] = x[0, 1, 2, 1] = 5.0
    x.requires_grad_()
    (top,) = squeeze(x, "space", ("max",))
    top.sum().backward()
    assert torch.equal(x.grad[0, 0], torch.full((3, 3), 1 / 9))
    assert float(x.grad[0, 1, 0, 0]) == float(x.grad[0, 1, 2, 1]) == 0.5
    assert float(x.grad[0, 1].sum()) == 1.0


def test_a_mean_alone_keeps_nothing_and_its_gradient_takes_no_memory(with_kernels, drawn):
    x = drawn((2, 8, 30, 30)).requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda t: t):
        squeeze(x, "space", ("mean",))
    assert sum(t.numel() for t in kept) < x.numel() / 50
    seen = []
    given = x * 1
    given.register_hook(lambda d: seen.append(d.untyped_storage().nbytes()))
    squeeze(given, "space", ("mean",))[0].sum().backward()
    assert seen[0] < x.numel()


def test_what_no_kernel_takes_is_plain(with_kernels, drawn):
    x = drawn((2, 8, 9, 9))
    mask = drawn((2, 9, 9), 1) > 0
    for given, options in (
        (x.transpose(2, 3), {}),
        (x, {"mask": mask}),
        (x, {"gate": drawn((2, 8, 1, 1), 2)}),
        (x, {"gate": drawn((1, 1, 9, 9), 2)}),
        (x.double(), {}),
        (x.bfloat16(), {}),
    ):
        got = squeeze(given, "space", ("mean", "max"), **options)
        wanted = reference_squeeze(given, "space", ("mean", "max"), **options)
        for ours, plain in zip(got, wanted, strict=True):
            assert ours.dtype == plain.dtype
            torch.testing.assert_close(ours, plain)


def test_a_second_derivative_is_refused(with_kernels, drawn):
    x = drawn((2, 8, 9, 9)).requires_grad_()
    (top,) = squeeze(x, "space", ("max",))
    with pytest.raises(RegardError, match="squeeze: the CPU kernel has no second derivative"):
        torch.autograd.grad(top.square().sum(), x, create_graph=True)
