import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regard.errors import RegardError
from regard.ops.layout import (
    LAYOUTS,
    channel_axis,
    expect,
    from_map,
    from_tokens,
    space_dims,
    to_map,
    to_tokens,
)

layouts = st.sampled_from(LAYOUTS)
sizes = st.fixed_dictionaries({axis: st.integers(1, 4) for axis in "NCLDHW"})


def numbered(layout, sizes):
    """A tensor of one layout whose numbers are all different."""
    shape = [sizes[axis] for axis in layout]
    return torch.arange(float(torch.tensor(shape).prod())).reshape(shape)


@settings(max_examples=50, deadline=None)
@given(layouts, sizes)
def test_a_map_has_its_channels_second_and_its_space_in_order(layout, sizes):
    space = [axis for axis in layout if axis not in "NC"]
    assert list(to_map(numbered(layout, sizes), layout).shape) == [
        sizes[axis] for axis in ["N", "C", *space]
    ]
    assert layout[channel_axis(layout)] == "C"
    assert space_dims(layout) == len(space)


@settings(max_examples=50, deadline=None)
@given(layouts, sizes)
def test_from_map_undoes_to_map(layout, sizes):
    x = numbered(layout, sizes)
    assert torch.equal(from_map(to_map(x, layout), layout), x)


@settings(max_examples=50, deadline=None)
@given(layouts, sizes, st.data())
def test_a_number_is_found_where_its_axes_say(layout, sizes, data):
    x = numbered(layout, sizes)
    at = {axis: data.draw(st.integers(0, sizes[axis] - 1)) for axis in layout}
    space = [axis for axis in layout if axis not in "NC"]
    wanted = x[tuple(at[axis] for axis in layout)]
    assert to_map(x, layout)[(at["N"], at["C"], *(at[a] for a in space))] == wanted
    token = 0  # row by row
    for axis in space:
        token = token * sizes[axis] + at[axis]
    assert to_tokens(x, layout)[at["N"], token, at["C"]] == wanted


@settings(max_examples=50, deadline=None)
@given(layouts, sizes)
def test_from_tokens_undoes_to_tokens(layout, sizes):
    x = numbered(layout, sizes)
    assert torch.equal(from_tokens(to_tokens(x, layout), x, layout), x)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["NLC", "NCHW", "NCDHW"]), sizes)
def test_the_usual_layout_is_known_by_the_number_of_axes(layout, sizes):
    x = numbered(layout, sizes)
    assert torch.equal(to_tokens(x), to_tokens(x, layout))
    assert torch.equal(from_tokens(to_tokens(x), x), x)


@settings(max_examples=50, deadline=None)
@given(layouts, sizes)
def test_a_map_is_a_view(layout, sizes):
    x = numbered(layout, sizes)
    to_map(x, layout).zero_()
    assert not x.any()


@pytest.mark.parametrize("shape", [(3,), (3, 4), (1, 2, 3, 4, 5, 6)])
def test_another_number_of_axes_is_an_error(shape):
    with pytest.raises(RegardError, match=r"tokens \[B, N, C\] or a map .* are needed; got shape"):
        to_tokens(torch.zeros(shape))


def test_expect_gives_the_tensor_itself_or_says_what_was_built():
    x = torch.zeros(2, 5, 3)
    assert expect(x, 1, 5, "se") is x
    with pytest.raises(RegardError, match=r"se was built for 4 on axis 1; the input has 5 \(shape"):
        expect(x, 1, 4, "se")


def test_expect_counts_the_axes():
    x = torch.zeros(2, 5, 3)
    assert expect(x, 1, None, "cbam", axes=3) is x
    with pytest.raises(RegardError, match=r"cbam takes 4 axes; the input has 3 \(shape \(2, 5, 3"):
        expect(x, 1, 5, "cbam", axes=4)
    with pytest.raises(RegardError, match=r"se takes more than 1 axes; the input has 1 \(shape"):
        expect(torch.zeros(5), 1, 5, "se")


def test_fx_keeps_each_call_as_one_node():
    def run(x):
        tokens = to_tokens(expect(x, 1, 3, "here"))
        return from_tokens(tokens, x) + from_map(to_map(x, "NHWC"), "NHWC")

    graph = torch.fx.symbolic_trace(run)
    called = [n.target for n in graph.graph.nodes if n.op == "call_function"]
    assert called[:3] == [expect, to_tokens, from_tokens]
    assert {to_map, from_map} <= set(called)
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(graph(x), 2 * x)


@pytest.mark.parametrize(("layout", "shape"), [("NCL", (2, 3, 4)), ("NCHW", (2, 3, 4, 5))])
def test_a_map_that_is_one_already_is_no_view(layout, shape):
    """What a host writes into its gated map would else go through a copy of the map."""
    x = torch.randn(shape)
    assert to_map(x, layout) is x
    assert from_map(x, layout) is x
