import pytest
import torch

from regard.errors import RegardError
from regard.ops import Step, gate, using
from regard.ops.steps import formed


def drawn(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("shape", [(3, 1, 4, 4), (2, 3), (2, 3, 1, 4), (2, 1, 4, 5)])
def test_a_gate_of_another_form_is_refused(shape):
    if shape == (2, 3):
        step, wanted = Step("channels", ("mean",), lambda _: drawn(shape)), "[2, 1, 4, 4]"
    else:
        step, wanted = Step("space", ("mean",), lambda _: drawn(shape)), "[2, 3, 1, 1]"
    with pytest.raises(RegardError) as raised:
        gate(drawn((2, 3, 4, 4)), step)
    assert wanted in str(raised.value)
    assert str(list(shape)) in str(raised.value)


def test_the_kernels_refuse_the_same():
    step = Step("space", ("mean",), lambda mean: mean[:, :1])
    for training in (True, False):
        with using("cpu"), torch.set_grad_enabled(training), pytest.raises(RegardError):
            gate(drawn((2, 3, 4, 4)).float(), step)


def test_a_short_gate_gets_the_axes_of_its_map():
    x, made = drawn((2, 3, 4, 5)), drawn((2, 3), 1)
    assert torch.equal(formed(made, x, "space"), made[:, :, None, None])
    whole = drawn((2, 1, 4, 5), 1)
    assert formed(whole, x, "channels") is whole
