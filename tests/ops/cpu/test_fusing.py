import copy

import pytest
import torch
from torch import nn
from torch.nn.modules import module as everywhere

import regard
from regard.ops import Step, gate, overwriting, using
from regard.ops.cpu.fusing import fused
from regard.ops.cpu.layout import blocks

SHAPES = [(2, 16, 5, 7), (5, 33, 1, 1), (9, 40, 14, 13), (3, 6, 56, 40), (4, 1, 2, 9), (7, 12, 31)]
NAMES = ["se", "eca", "eca_circular", "cbam_channel", "cbam_spatial", "cbam"]
DRAWS = 8


@pytest.fixture(autouse=True)
def two_threads_without_gradients():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with torch.no_grad():
        yield
    torch.set_num_threads(before)


def mechanism(name, shape, **options):
    spatial = {"dims": len(shape) - 2} if name in ("cbam", "cbam_spatial") else {}
    made = regard.get(name, shape[1], **spatial, **options).eval()
    numbers = torch.Generator().manual_seed(7)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.5, generator=numbers)
    for module in made.modules():
        if hasattr(module, "running_var"):
            module.running_mean.fill_(0.3), module.running_var.fill_(1.7)
    return made


def steps_of(module):
    """The steps that a module gives to ``gate``."""
    return (module.step,) if hasattr(module, "step") else (module.channel.step, module.spatial.step)


def is_fused(module, x):
    """Whether one kernel takes the whole gating; what it gives is then the module's own result."""
    b = blocks(x)
    out = torch.full_like(b.x, torch.nan)
    if not fused(b, steps_of(module), out):
        return False
    with using("torch"):
        torch.testing.assert_close(out, module(x), rtol=1e-5, atol=1e-5)
    return True


def run(module, x, name):
    with using(name):
        return [module(x)]


@pytest.mark.parametrize("ties", [False, True], ids=["", "ties"])
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_it_is_as_exact_as_the_plain_form(name, shape, last, ties, drawn, assert_as_exact):
    module = mechanism(name, shape)
    exact = copy.deepcopy(module).double()
    draws = (drawn(shape, seed, ties, last) for seed in range(DRAWS))
    assert_as_exact(
        (run(module, x, "cpu"), run(module, x, "torch"), run(exact, x.double(), "torch"))
        for x in draws
    )


@pytest.mark.parametrize("options", [{}, {"start": "identity"}, {"variant": "paper"}], ids=str)
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("name", NAMES)
def test_one_kernel_takes_it(name, last, options, drawn):
    if "variant" in options:
        other = {"se": {"reduction": 3}, "eca_circular": {"kernel_size": 7}}
        options = {**other, "cbam_channel": other["se"]}.get(name, options)
    module = mechanism(name, (4, 8, 6, 6), **options)
    assert is_fused(module, drawn((4, 8, 9, 7), last=last))


def test_a_network_in_channels_last_is_fused_too(drawn):
    module = mechanism("cbam", (4, 8, 6, 6)).to(memory_format=torch.channels_last)
    assert not module.spatial.conv.weight.is_contiguous()
    assert is_fused(module, drawn((4, 8, 9, 7), last=True))


@pytest.mark.parametrize("kernel_size", [1, 3, 5, 9])
def test_windows_of_all_sizes_also_larger_than_the_map(kernel_size, drawn):
    module = mechanism("cbam_spatial", (4, 8, 6, 6), kernel_size=kernel_size)
    assert is_fused(module, drawn((4, 8, 3, 2)))


@pytest.mark.parametrize("kernel_size", [1, 5, 9])
def test_taps_of_all_sizes_also_more_than_channels(kernel_size, drawn):
    module = mechanism("eca", (4, 6, 6, 6), kernel_size=kernel_size)
    assert is_fused(module, drawn((4, 6, 3, 2)))


def test_the_map_itself_is_written_only_where_it_was_given_away(drawn):
    module, x = mechanism("cbam", (4, 8, 9, 7)), drawn((4, 8, 9, 7))
    kept = x.clone()
    with using("cpu"):
        y = module(x)
        assert torch.equal(x, kept)
        with overwriting(x):
            z = module(x)
    assert z.data_ptr() == x.data_ptr()
    assert torch.equal(y, z)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("name", NAMES)
def test_nan_and_infinities_are_those_of_the_plain_form(name, value, drawn):
    module, x = mechanism(name, (3, 8, 9, 7)), drawn((3, 8, 9, 7))
    x[1, 2, 3, 4] = value
    (got,), (wanted,) = run(module, x, "cpu"), run(module, x, "torch")
    torch.testing.assert_close(got, wanted, rtol=2e-6, atol=1e-6, equal_nan=True)


def test_results_do_not_depend_on_the_number_of_threads(drawn):
    module, x = mechanism("cbam", (6, 8, 9, 7)), drawn((6, 8, 9, 7))
    (two,) = run(module, x, "cpu")
    torch.set_num_threads(1)
    (one,) = run(module, x, "cpu")
    assert torch.equal(one, two)


class Doubled(nn.Module):
    def forward(self, x):
        return 2 * x


def hooked(module):
    module.reduce.register_forward_hook(lambda *_: None)


def replaced_layer(module):
    module.reduce = nn.Sequential(module.reduce, Doubled())


def replaced_sigmoid(module):
    module.sigmoid = nn.Tanh()


def in_half_precision(module):
    module.expand = module.expand.bfloat16().float().half()


def patched(module):
    module.expand.forward = lambda x: 3 * nn.functional.linear(x, module.expand.weight)


@pytest.mark.parametrize(
    "change", [hooked, replaced_layer, replaced_sigmoid, in_half_precision, patched]
)
def test_a_changed_or_watched_layer_is_left_to_itself(change, drawn):
    module, x = mechanism("se", (4, 8, 6, 6)), drawn((4, 8, 6, 6))
    assert is_fused(module, x)
    change(module)
    assert not fused(blocks(x), steps_of(module), x)


def test_a_hook_on_all_modules_is_heard(drawn):
    module, x = mechanism("se", (4, 8, 6, 6)), drawn((4, 8, 6, 6))
    handle = everywhere.register_module_forward_hook(lambda *_: None)
    assert not fused(blocks(x), steps_of(module), x)
    handle.remove()
    assert is_fused(module, x)


def test_a_batchnorm_in_training_a_few_samples_and_autocast_are_left_alone(drawn):
    module, x = mechanism("cbam_spatial", (4, 8, 6, 6)), drawn((4, 8, 6, 6))
    step = module.step
    assert is_fused(module, x)
    with torch.autocast("cpu", torch.bfloat16):
        assert not fused(blocks(x), (step,), x)
    assert not fused(blocks(x[:1]), (step,), x[:1])
    module.train()
    assert not fused(blocks(x), (step,), x)


def test_an_unknown_excitation_is_left_alone(drawn):
    x = drawn((4, 8, 6, 6))
    step = Step("space", ("mean",), lambda mean: mean.sigmoid())
    assert not fused(blocks(x), (step,), x)
    with using("cpu"):
        torch.testing.assert_close(gate(x, step), x * x.mean((2, 3), True).sigmoid())
