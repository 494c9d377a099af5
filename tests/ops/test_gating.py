import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from regard.maps import record
from regard.ops import Step, gate, modulate, squeeze, using


def drawn(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def over_space(mean, top):
    return torch.sigmoid(mean - 2 * top).flatten(1)


def over_channels(mean):
    return torch.sigmoid(3 * mean)


FIRST = Step("space", ("mean", "max"), over_space)
SECOND = Step("channels", ("mean",), over_channels)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(1, 4))
def test_it_is_squeeze_excite_and_modulate_one_after_the_other(space, channels):
    x = drawn((2, channels, *space))
    axes = tuple(range(2, x.dim()))
    first = torch.sigmoid(x.mean(axes, keepdim=True) - 2 * x.amax(axes, keepdim=True))
    second = torch.sigmoid(3 * (x * first).mean(1, keepdim=True))
    torch.testing.assert_close(gate(x, FIRST, SECOND), x * first * second)
    torch.testing.assert_close(gate(x, FIRST), x * first)
    assert torch.equal(gate(x), x)


def test_gradients_equal_finite_differences():
    x = drawn((2, 3, 2, 3)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: gate(x, FIRST, SECOND), (x,))
    assert torch.autograd.gradgradcheck(lambda x: gate(x, FIRST, SECOND), (x,))


def test_a_mask_leaves_padding_out():
    x, mask = drawn((2, 3, 6)), torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    short = gate(x[1:, :, :4], FIRST, SECOND)
    torch.testing.assert_close(gate(x, FIRST, SECOND, mask=mask)[1:, :, :4], short)


class Gated(nn.Module):
    def forward(self, x):
        return gate(x, FIRST, SECOND)


def test_a_recorder_sees_each_gate_of_a_map_that_is_worth_a_kernel():
    x = drawn((2, 64, 20, 20)).float()
    model = Gated()
    with using("cpu"), torch.no_grad(), record(model) as found:
        y = model(x)
    assert [m.kind for m in found] == ["gate", "gate"]
    torch.testing.assert_close(y, x * found[0].values * found[1].values)


def test_fx_keeps_the_operations_as_single_nodes():
    graph = torch.fx.symbolic_trace(Gated())
    called = [n.target for n in graph.graph.nodes if n.op == "call_function"]
    assert called.count(squeeze) == 2
    assert called.count(modulate) == 1
    x = drawn((2, 3, 4, 5))
    torch.testing.assert_close(graph(x), Gated()(x))


def test_compiled_whole_and_exported():
    x = drawn((2, 64, 20, 20)).float()
    wanted = Gated()(x)
    torch.testing.assert_close(
        torch.compile(Gated(), fullgraph=True, backend="aot_eager")(x), wanted
    )
    torch.testing.assert_close(torch.export.export(Gated(), (x,)).module()(x), wanted)
