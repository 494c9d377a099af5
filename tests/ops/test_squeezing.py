import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regard.ops.squeezing import reference_squeeze, squeeze

OVERS = ("space", "channels", "height", "width")
STATISTICS = {"mean": np.mean, "max": np.max}


def axes_of(over, dims):
    return {
        "space": tuple(range(2, dims + 2)),
        "channels": (1,),
        "height": (dims,),
        "width": (dims + 1,),
    }[over]


shapes = st.integers(1, 3).flatmap(
    lambda dims: st.lists(st.integers(1, 5), min_size=dims + 2, max_size=dims + 2)
)
overs = st.sampled_from(OVERS)
seeds = st.integers(0, 99)


def drawn(shape, seed):
    numbers = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=numbers, dtype=torch.float64)


@settings(max_examples=50, deadline=None)
@given(shapes, overs, seeds)
def test_statistics_are_those_of_numpy(shape, over, seed):
    x = drawn(shape, seed)
    axes = axes_of(over, len(shape) - 2)
    if over == "height" and len(shape) == 3:
        return  # a row of tokens has no height
    for name, got in zip(("max", "mean"), squeeze(x, over, ("max", "mean")), strict=True):
        wanted = STATISTICS[name](x.numpy(), axis=axes, keepdims=True)
        np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-12, atol=1e-14)


@settings(max_examples=50, deadline=None)
@given(shapes, seeds)
def test_a_gate_is_multiplied_in_first(shape, seed):
    x, gate = drawn(shape, seed), drawn(shape[:2], seed + 1)[(...,) + (None,) * (len(shape) - 2)]
    got = squeeze(x, "channels", ("mean", "max"), gate=gate)
    wanted = squeeze(x * gate, "channels", ("mean", "max"))
    assert all(torch.equal(a, b) for a, b in zip(got, wanted, strict=True))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), seeds)
def test_masked_statistics_over_space_by_loops(batch, channels, height, width, seed):
    x = drawn((batch, channels, height, width), seed)
    mask = drawn((batch, height, width), seed + 1) > 0
    mean, top = squeeze(x, "space", ("mean", "max"), mask=mask)
    for b in range(batch):
        for c in range(channels):
            real = [
                float(x[b, c, i, j])
                for i in range(height)
                for j in range(width)
                if bool(mask[b, i, j])
            ]
            assert float(mean[b, c]) == pytest.approx(math.fsum(real) / max(1, len(real)))
            assert float(top[b, c]) == (max(real) if real else 0.0)


@pytest.mark.parametrize("over", ["channels", "height", "width"])
def test_padding_is_not_read(over):
    x, mask = drawn((2, 3, 4, 5), 0), drawn((2, 4, 5), 1) > 0
    poisoned = torch.where(mask.unsqueeze(1), x, 1e9)
    given_x = squeeze(x, over, ("mean", "max"), mask=mask)
    given_poison = squeeze(poisoned, over, ("mean", "max"), mask=mask)
    assert all(torch.equal(a, b) for a, b in zip(given_x, given_poison, strict=True))
    assert all(t.abs().max() < 10 for t in given_poison)


def test_a_full_mask_changes_nothing():
    x = drawn((2, 3, 4, 5), 0)
    mask = torch.ones(2, 4, 5, dtype=torch.bool)
    for over in OVERS:
        got = squeeze(x, over, ("mean", "max"), mask=mask)
        wanted = squeeze(x, over, ("mean", "max"))
        for a, b in zip(got, wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-14, atol=1e-14)


def test_the_gradient_of_a_maximum_is_shared_among_ties():
    x = torch.tensor([[[[1.0, 3.0], [3.0, 2.0]]]], requires_grad=True)
    squeeze(x, "space", ("max",))[0].sum().backward()
    assert torch.equal(x.grad, torch.tensor([[[[0.0, 0.5], [0.5, 0.0]]]]))


def test_padding_gets_no_gradient():
    x = drawn((2, 3, 4, 5), 0).requires_grad_()
    mask = drawn((2, 4, 5), 1) > 0
    for over in OVERS:
        outs = squeeze(x, over, ("mean", "max"), mask=mask)
        (gradient,) = torch.autograd.grad(sum(o.square().sum() for o in outs), x)
        assert not gradient.masked_fill(mask.unsqueeze(1), 0.0).any(), over
        assert gradient.any(), over


@pytest.mark.parametrize("over", OVERS)
def test_gradients_equal_finite_differences(over):
    x, gate = drawn((2, 3, 4, 5), 0).requires_grad_(), drawn((2, 3, 1, 1), 1).requires_grad_()
    mask = drawn((2, 4, 5), 2) > -0.5

    def run(x, gate):
        return squeeze(x, over, ("mean", "max"), gate=gate, mask=mask)

    assert torch.autograd.gradcheck(run, (x, gate))


def test_the_function_and_its_definition_are_equal():
    x = drawn((2, 3, 4, 5), 0)
    for over in OVERS:
        got, wanted = squeeze(x, over, ("max",)), reference_squeeze(x, over, ("max",))
        assert torch.equal(got[0], wanted[0])


def test_a_recorder_sees_the_call(calls):
    x = drawn((1, 2, 3, 3), 0)
    with calls:
        got = squeeze(x, "space", ("max",))
    assert squeeze in calls.seen
    assert torch.equal(got[0], squeeze(x, "space", ("max",))[0])


def test_fx_keeps_the_call_as_one_node():
    graph = torch.fx.symbolic_trace(lambda x: squeeze(x, "space", ("mean",))[0])
    assert next(n.target for n in graph.graph.nodes if n.op == "call_function") is squeeze
    x = drawn((1, 2, 3, 3), 0)
    assert torch.equal(graph(x), x.mean((2, 3), keepdim=True))
