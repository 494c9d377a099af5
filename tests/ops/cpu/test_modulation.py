import pytest
import torch

from regard.errors import RegardError
from regard.ops import modulate, using
from regard.ops.cpu.layout import blocks
from regard.ops.modulation import reference_modulate

SHAPES = [(2, 19, 17, 23), (1, 70, 13, 9), (3, 5, 41), (2, 6, 5, 4, 7), (4, 1, 8, 8)]
KINDS = [("channels",), ("space",), ("channels", "space"), ("short", "space", "channels")]
DRAWS = 16


def gates_for(shape, kinds, drawn, seed=30):
    forms = {
        "channels": (*shape[:2], *[1] * (len(shape) - 2)),
        "space": (shape[0], 1, *shape[2:]),
        "short": shape[:2],
    }
    return [drawn(forms[kind], seed + i) for i, kind in enumerate(kinds)]


def run(x, gates, dy):
    x, gates = x.detach().requires_grad_(), [g.detach().requires_grad_() for g in gates]
    y = modulate(x, *gates)
    y.backward(dy)
    return [y.detach(), x.grad, *(g.grad for g in gates)]


def compared(x, gates, dy):
    with using("cpu"):
        ours = run(x, gates, dy)
    with using("torch"):
        wide = run(x.double(), [g.double() for g in gates], dy.double())
        return ours, run(x, gates, dy), wide


@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("kinds", KINDS, ids="+".join)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_product_and_gradients(shape, kinds, last, drawn, assert_as_exact):
    gates = gates_for(shape, kinds, drawn)
    assert_as_exact(
        compared(drawn(shape, seed, last=last), gates, drawn(shape, seed + DRAWS, last=last))
        for seed in range(DRAWS)
    )


def test_the_output_lies_in_memory_as_the_map_does(with_kernels, drawn):
    for last in (False, True):
        x = drawn((2, 8, 9, 9), last=last)
        y = modulate(x, *gates_for(x.shape, ("channels", "space"), drawn))
        assert y.stride() == x.stride()
        assert y.data_ptr() != x.data_ptr()


def test_what_no_kernel_takes_is_plain(with_kernels, drawn):
    x = drawn((2, 8, 9, 9))
    for given, gate in (
        (x, drawn((2, 8, 9, 9), 1)),
        (x, drawn((2, 8, 9, 1), 1)),
        (x, drawn((1, 8, 1, 1), 1)),
        (x, drawn((2, 8), 1).double()),
        (x[:, ::2], drawn((2, 4), 1)),
        (x.bfloat16(), drawn((2, 8), 1).bfloat16()),
    ):
        got, wanted = modulate(given, gate), reference_modulate(given, gate)
        assert got.dtype == wanted.dtype
        assert torch.equal(got, wanted)


def test_a_second_derivative_is_refused(with_kernels, drawn):
    x, gate = drawn((2, 8, 9, 9)).requires_grad_(), drawn((2, 8), 1).requires_grad_()
    with pytest.raises(RegardError, match="modulate: the CPU kernel has no second derivative"):
        torch.autograd.grad(modulate(x, gate).square().sum(), gate, create_graph=True)


@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("kinds", KINDS[:3], ids="+".join)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_goes_past_the_caches_is_the_same(
    shape, kinds, last, drawn, with_kernels, monkeypatch
):
    x, gates = drawn(shape, last=last), gates_for(shape, kinds, drawn)
    usual = modulate(x, *gates)
    monkeypatch.setattr("regard.ops.cpu.layout.LARGE", 1)
    monkeypatch.setattr("regard.ops.cpu.layout.SHORT", 1)
    assert torch.equal(modulate(x, *gates), usual)


def test_a_large_map_goes_past_the_caches(with_kernels, drawn):
    x = drawn((1, 16, 512, 513))
    gates = gates_for(x.shape, ("channels", "space"), drawn)
    assert blocks(x).large
    torch.testing.assert_close(modulate(x, *gates), reference_modulate(x, *gates))
