import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regard.ops.modulation import modulate, reference_modulate

B, C, H, W = 2, 3, 4, 5
GATES = {
    "channels": (B, C, 1, 1),
    "space": (B, 1, H, W),
    "height": (B, C, H, 1),
    "width": (B, C, 1, W),
    "short": (B, C),
    "whole": (B, C, H, W),
}
kinds = st.lists(st.sampled_from(list(GATES)), max_size=3)


def drawn(shape, seed):
    numbers = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=numbers, dtype=torch.float64)


@settings(max_examples=50, deadline=None)
@given(kinds)
def test_the_product_number_by_number(kinds):
    x = drawn((B, C, H, W), 0)
    gates = [drawn(GATES[kind], i + 1) for i, kind in enumerate(kinds)]
    got = modulate(x, *gates)
    assert got.shape == x.shape
    for b, c, i, j in ((0, 0, 0, 0), (1, 2, 3, 4), (1, 0, 2, 1)):
        wanted = float(x[b, c, i, j])
        for kind, gate in zip(kinds, gates, strict=True):
            place = {
                "channels": (b, c, 0, 0),
                "space": (b, 0, i, j),
                "height": (b, c, i, 0),
                "width": (b, c, 0, j),
                "short": (b, c),
                "whole": (b, c, i, j),
            }[kind]
            wanted *= float(gate[place])
        assert float(got[b, c, i, j]) == wanted


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_the_short_gate_works_in_any_number_of_dimensions(space):
    x, gate = drawn((B, C, *space), 0), drawn((B, C), 1)
    long = gate.reshape(B, C, *[1] * len(space))
    assert torch.equal(modulate(x, gate), x * long)


@settings(max_examples=50, deadline=None)
@given(kinds)
def test_the_output_is_the_callers_own(kinds):
    x = drawn((B, C, H, W), 0)
    gates = [drawn(GATES[kind], i + 1) for i, kind in enumerate(kinds)]
    kept = [t.clone() for t in (x, *gates)]
    modulate(x, *gates).zero_()
    assert all(torch.equal(a, b) for a, b in zip((x, *gates), kept, strict=True))


def test_writing_into_the_output_leaves_backward_right():
    x, gate = drawn((B, C, H, W), 0).requires_grad_(), drawn((B, C), 1).requires_grad_()
    out = modulate(x * 1, gate)
    out += x
    out.relu_().sum().backward()
    open_ = (x * gate[..., None, None] + x > 0).double()
    torch.testing.assert_close(x.grad, open_ * (gate[..., None, None] + 1))


def test_gradients_equal_finite_differences():
    x = drawn((B, C, H, W), 0).requires_grad_()
    gates = [drawn(GATES[k], i).requires_grad_() for i, k in enumerate(("short", "space"))]
    assert torch.autograd.gradcheck(modulate, (x, *gates))
    assert torch.equal(modulate(x, *gates), reference_modulate(x, *gates))


def test_a_recorder_sees_the_call_and_fx_keeps_one_node(calls):
    x, gate = drawn((B, C, H, W), 0), drawn((B, C), 1)
    with calls:
        modulate(x, gate)
    assert modulate in calls.seen
    graph = torch.fx.symbolic_trace(lambda x, gate: modulate(x, gate))
    assert [n.target for n in graph.graph.nodes if n.op == "call_function"] == [modulate]
    assert torch.equal(graph(x, gate), modulate(x, gate))
