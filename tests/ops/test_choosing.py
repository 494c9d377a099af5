import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import regard
from regard.errors import RegardError
from regard.ops import choosing, squeeze, using
from regard.ops.choosing import LEAST, wants_kernel, wants_triton


def a_map(numbers=LEAST):
    return torch.randn(1, numbers // 64, 8, 8)


def test_a_kernel_is_wanted_for_float32_on_the_cpu_that_is_not_tiny():
    assert wants_kernel(a_map(), 1)
    assert not wants_kernel(a_map(LEAST - 64), 1)
    assert wants_kernel(a_map(LEAST // 4), 4)
    assert not wants_kernel(a_map(), 1 / 2)
    assert not wants_kernel(a_map().double(), 1)
    assert not wants_kernel(a_map().bfloat16(), 1)
    assert not wants_kernel(a_map().to("meta"), 1)
    assert not wants_kernel(torch.zeros(0, 4, 8, 8), 1)


def test_the_choice_of_the_environment_and_of_a_with_block(monkeypatch):
    monkeypatch.setenv(choosing.VARIABLE, "torch")
    assert not wants_kernel(a_map(), 1)
    with using("cpu"):
        assert wants_kernel(a_map(64), 1)
        assert not wants_kernel(torch.zeros(0, 4, 8, 8), 1)
        with using("torch"):
            assert not wants_kernel(a_map(), 1)
        assert wants_kernel(a_map(64), 1)
    assert not wants_kernel(a_map(), 1)
    monkeypatch.setenv(choosing.VARIABLE, "")
    assert wants_kernel(a_map(), 1)
    monkeypatch.setenv(choosing.VARIABLE, "tosch")
    with pytest.raises(
        RegardError, match=r"REGARD_IMPL is 'tosch'.*torch.*known: auto, torch, cpu"
    ):
        wants_kernel(a_map(), 1)
    with pytest.raises(RegardError, match="'gpu'"), using("gpu"):
        pass


def test_triton_on_the_cpu_is_an_error_outside_the_interpreter():
    assert not wants_triton(a_map(), 1)  # auto
    with using("triton"):
        assert not wants_kernel(a_map(), 1)
        assert not wants_triton(a_map().double(), 1)
        with pytest.raises(RegardError, match=r"'triton', which cannot run on cpu here.*INTERPRET"):
            wants_triton(a_map(64), 1)
        squeeze(a_map(), "space", ("max",))  # has no such kernel: plain


def test_whatever_traces_or_transforms_sees_the_plain_form():
    x = a_map()

    def plain(x):
        assert not wants_kernel(x, 8)
        assert not wants_triton(x, 8)
        return squeeze(x, "space", ("max",))[0]

    class Plain(torch.nn.Module):
        def forward(self, x):
            return plain(x)

    torch.func.vmap(plain)(x[None])
    torch.func.grad(lambda x: plain(x).sum())(x)
    torch.func.jvp(plain, (x,), (x,))
    torch.jit.trace(Plain(), x, check_trace=False)
    torch.export.export(Plain(), (x,))
    torch.compile(Plain(), backend="eager", fullgraph=True)(x)
    torch.fx.symbolic_trace(Plain())
    with FlopCounterMode(display=False):
        plain(x)
    with torch.autograd.forward_ad.dual_level():
        plain(x)


def test_derivatives_of_transforms_are_those_of_the_plain_form():
    module = regard.get("cbam", 64).eval()
    x = torch.randn(2, 64, 16, 16)
    _, tangent = torch.func.jvp(module, (x,), (torch.ones_like(x),))
    assert tangent.abs().sum() > 0
    found = torch.func.grad(lambda x: module(x).square().sum())(x)
    x.requires_grad_()
    module(x).square().sum().backward()
    torch.testing.assert_close(found, x.grad, rtol=1e-4, atol=1e-5)
