import copy
import gc
import weakref

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import regard
from regard.errors import RegardError
from regard.ops import Step, gate, modulate, squeeze, using

SHAPES = [(2, 19, 17, 23), (1, 70, 13, 9), (3, 5, 41), (2, 6, 5, 4, 7), (4, 1, 8, 8), (5, 33, 1, 1)]
NAMES = ["se", "eca", "cbam_channel", "cbam_spatial", "cbam"]


def mechanism(name, shape):
    spatial = {"dims": len(shape) - 2} if name in ("cbam", "cbam_spatial") else {}
    made = regard.get(name, shape[1], **spatial)
    numbers = torch.Generator().manual_seed(7)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.5, generator=numbers)
    return made


DRAWS = 16


def compared(module, x, dy):
    """With kernels, in the plain form, and in float64."""
    exact = run(copy.deepcopy(module).double(), x.double(), dy.double(), "torch")
    return run(module, x, dy, "cpu"), run(module, x, dy, "torch"), exact


def run(module, x, dy, name):
    """Output, gradient of the map and of every parameter."""
    module = copy.deepcopy(module)
    x = x.detach().requires_grad_()
    with using(name):
        y = module(x)
    y.backward(dy)
    return [y.detach(), x.grad, *(p.grad for p in module.parameters())]


@pytest.mark.parametrize("ties", [False, True], ids=["", "ties"])
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_output_and_gradients_are_as_exact_as_the_plain_form(
    name, shape, last, ties, drawn, assert_as_exact
):
    if name.startswith("cbam") and name != "cbam_channel" and shape[2:] == (1, 1):
        shape = (5, 33, 1, 2)  # a BatchNorm in training needs more than one value
    module = mechanism(name, shape)
    assert_as_exact(
        compared(module, drawn(shape, seed, ties, last), drawn(shape, seed + DRAWS))
        for seed in range(DRAWS)
    )


@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("name", NAMES)
def test_without_gradients(name, last, with_kernels, drawn):
    shape = (3, 18, 9, 11)
    module, x = mechanism(name, shape).eval(), drawn(shape, 3, last=last)
    before = x.clone()
    with torch.no_grad():
        got = module(x)
    with using("torch"):
        wanted = module(x).detach()
    torch.testing.assert_close(got, wanted, rtol=2e-6, atol=1e-6)
    assert torch.equal(x, before)
    assert got.data_ptr() != x.data_ptr()


def test_a_batchnorm_in_training_sees_the_whole_batch_without_gradients(with_kernels, drawn):
    shape = (4, 8, 9, 11)
    module, x = mechanism("cbam", shape).train(), drawn(shape, 3)
    other = copy.deepcopy(module)
    with torch.no_grad():
        got = module(x)
        with using("torch"):
            wanted = other(x)
    torch.testing.assert_close(got, wanted, rtol=2e-6, atol=1e-6)
    for mine, theirs in zip(module.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_channels_before_and_after_space(drawn, assert_as_exact):
    """Both orders of two steps, both layouts; the first gate's gradient passes the second step."""
    numbers = torch.Generator().manual_seed(0)
    weight = torch.rand((7, 7), generator=numbers)

    def over_space(mean, top):
        return torch.sigmoid((mean + top).flatten(1) @ weight.to(mean))

    def over_channels(top, mean):
        return torch.sigmoid(2 * mean - top)

    steps = (
        Step("channels", ("max", "mean"), over_channels),
        Step("space", ("mean", "max"), over_space),
    )

    class Both(nn.Module):
        def forward(self, x):
            return gate(x, *self.steps)

    for chosen in (steps, steps[::-1], steps[:1], steps[1:]):
        module = Both()
        module.steps = chosen
        for last in (False, True):
            assert_as_exact(
                compared(module, drawn((3, 7, 10, 12), i, last=last), drawn((3, 7, 10, 12), i + 9))
                for i in range(DRAWS)
            )


def test_a_detached_gate_still_lets_the_map_learn(with_kernels, drawn):
    x, dy = drawn((2, 6, 9, 9), 1).requires_grad_(), drawn((2, 6, 9, 9), 2)
    kept = []

    def detached(mean):
        kept.append(torch.sigmoid(mean.detach()))
        return kept[0]

    gate(x, Step("space", ("mean",), detached)).backward(dy)
    torch.testing.assert_close(x.grad, dy * kept[0])


def test_a_loss_on_the_gate_alone_and_beside_the_output(drawn):
    """What a regulariser on the gates does: their gradient goes through the statistics."""
    x, dy = drawn((2, 6, 9, 8), 1), drawn((2, 6, 9, 8), 2)

    def gradient(name, alone):
        given, seen = x.detach().requires_grad_(), []

        def excite(top, mean):
            seen.append(torch.sigmoid(mean + top))
            return seen[0]

        with using(name):
            y = gate(given, Step("channels", ("max", "mean"), excite))
        loss = seen[0].square().sum()
        (loss if alone else loss + (y * dy).sum()).backward()
        return given.grad

    for alone in (True, False):
        torch.testing.assert_close(gradient("cpu", alone), gradient("torch", alone))


def test_backward_again_and_for_the_parameters_alone(with_kernels, drawn):
    module, x = mechanism("cbam", (2, 6, 9, 9)), drawn((2, 6, 9, 9), 1).requires_grad_()
    y = module(x)
    loss = (y * drawn(y.shape, 2)).sum()
    weights = list(module.parameters())
    alone = torch.autograd.grad(loss, weights, retain_graph=True)
    first = torch.autograd.grad(loss, [x, *weights], retain_graph=True)
    second = torch.autograd.grad(loss, [x, *weights])
    assert all(map(torch.equal, first, second))
    assert all(map(torch.equal, alone, first[1:]))


def test_a_map_without_gradient_and_frozen_parameters(drawn):
    module, x = mechanism("cbam", (2, 6, 9, 9)), drawn((2, 6, 9, 9), 1)
    dy = drawn(x.shape, 2)
    wanted = run(module, x, dy, "torch")
    with using("cpu"):
        module(x).backward(dy)
        for parameter, expected in zip(module.parameters(), wanted[2:], strict=True):
            torch.testing.assert_close(parameter.grad, expected, rtol=1e-4, atol=1e-5)
        given = x.detach().requires_grad_()
        module.requires_grad_(False)(given).backward(dy)
    torch.testing.assert_close(given.grad, wanted[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("reentrant", [False, True])
def test_activation_checkpointing_gives_the_same_gradients(reentrant, with_kernels, drawn):
    module, dy = mechanism("cbam", (2, 6, 9, 9)), drawn((2, 6, 9, 9), 2)
    found = []
    for use in (False, True):
        x = drawn((2, 6, 9, 9), 1).requires_grad_()
        y = checkpoint(module, x, use_reentrant=reentrant) if use else module(x)
        module.zero_grad()
        y.backward(dy)
        found.append([x.grad, *(p.grad for p in module.parameters())])
    assert all(map(torch.equal, *found))


def test_writing_into_the_output_is_allowed_and_into_the_map_is_noticed(with_kernels, drawn):
    module = mechanism("cbam", (2, 6, 9, 9))
    x = drawn((2, 6, 9, 9), 1).requires_grad_()
    y = module(x * 1)
    y.relu_().sum().backward()
    assert x.grad.isfinite().all()
    given = x * 1
    y = module(given)
    given.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_a_second_derivative_is_refused_and_the_plain_form_has_it(with_kernels, drawn):
    module, x = mechanism("se", (2, 6, 9, 9)), drawn((2, 6, 9, 9), 1).requires_grad_()
    with pytest.raises(RegardError, match=r"no second derivative.*REGARD_IMPL=torch"):
        torch.autograd.grad(module(x).square().sum(), x, create_graph=True)
    with using("torch"):
        (first,) = torch.autograd.grad(module(x).square().sum(), x, create_graph=True)
    first.sum().backward()
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_finite_is_seen_as_the_plain_form_sees_it(name, last, value, drawn):
    module, x = mechanism(name, (2, 20, 9, 9)).eval(), drawn((2, 20, 9, 9), 1, last=last)
    x[1, 3, 4, 5] = value
    with torch.no_grad(), using("cpu"):
        got = module(x)
    with torch.no_grad(), using("torch"):
        wanted = module(x)
    torch.testing.assert_close(got, wanted, rtol=2e-6, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.transpose(2, 3),
        lambda x: x[:, ::2],
        lambda x: x[..., 1:],
        lambda x: x[:1].expand(2, -1, -1, -1),
        lambda x: torch._neg_view(x),
    ],
    ids=["transposed", "every second", "a part", "expanded", "negated"],
)
def test_any_strides_are_read_rightly(view, drawn, assert_as_exact):
    maps = [view(drawn((2, 8, 9, 9), seed)) for seed in range(DRAWS)]
    module = mechanism("cbam", maps[0].shape)
    assert_as_exact(compared(module, x, drawn(tuple(x.shape), 20 + i)) for i, x in enumerate(maps))


def test_nothing_is_kept_after_backward(with_kernels, drawn):
    module, x = mechanism("cbam", (2, 6, 9, 9)), drawn((2, 6, 9, 9), 1).requires_grad_()
    given = x * 1
    seen = weakref.ref(given)
    gc.disable()
    try:
        module(given).sum().backward()
        del given
        assert seen() is None
    finally:
        gc.enable()


def test_gates_in_half_precision_under_autocast(with_kernels, drawn):
    module, x = mechanism("cbam", (2, 16, 9, 9)), drawn((2, 16, 9, 9), 1).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        got = module(x)
        with using("torch"):
            wanted = module(x)
    assert got.dtype == wanted.dtype == torch.float32
    torch.testing.assert_close(got, wanted, rtol=0.05, atol=0.05)
    got.sum().backward()
    assert x.grad.isfinite().all()


def test_the_same_bits_on_any_number_of_threads(with_kernels, drawn):
    module, x, dy = (
        mechanism("cbam", (2, 64, 40, 40)),
        drawn((2, 64, 40, 40)),
        drawn((2, 64, 40, 40), 1),
    )
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            y, dx, *_ = run(module, x, dy, "cpu")
            pooled = squeeze(x, "space", ("mean", "max"))
            found.append([*pooled, modulate(x, pooled[0])])
    finally:
        torch.set_num_threads(threads)
    assert all(map(torch.equal, found[0], found[1]))
    assert all(map(torch.equal, found[0], found[2]))
    assert y.isfinite().all()
    assert dx.isfinite().all()


@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
def test_one_gate_for_all_samples(last, with_kernels, drawn):
    """A gate may have a batch of one: it is every sample's."""
    fixed = torch.rand(1, 6).requires_grad_()
    step = Step("space", ("mean",), lambda mean: fixed)
    x, dy = drawn((3, 6, 8, 8), 1, last=last), drawn((3, 6, 8, 8), 2)
    wanted = x * fixed.detach()[..., None, None]
    with torch.no_grad():
        assert torch.equal(gate(x, step), wanted)
    y = gate(x, step)
    assert torch.equal(y, wanted)
    y.backward(dy)
    torch.testing.assert_close(fixed.grad, (x * dy).sum((0, 2, 3))[None])
