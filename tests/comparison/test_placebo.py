import pytest
import torch
from torch import nn

from regard.comparison.arms import parse_arms
from regard.comparison.placebo import MOMENTUM, Placebo, check_blind, make_placebo
from regard.cost import count_macs
from regard.errors import RegardError
from regard.maps import record
from regard.mechanisms.cbam import CBAM
from regard.mechanisms.eca import EfficientChannelAttention
from regard.mechanisms.se import SqueezeExcitation
from regard.networks import SmallResNet
from regard.ops import modulate
from regard.surgery import plug

SIZE = (2, 16, 6, 5)


def gates_of(module, x):
    with record(module) as found:
        module(x)
    return [m.values for m in found if m.kind == "gate"]


def mechanisms():
    torch.manual_seed(0)
    return [SqueezeExcitation(16, 4), EfficientChannelAttention(16), CBAM(16, 4)]


@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize("training", [False, True])
def test_no_gate_depends_on_the_sample(index, training):
    placebo = Placebo(mechanisms()[index])
    placebo(torch.randn(SIZE))
    placebo.train(training)
    state = {k: v.clone() for k, v in placebo.state_dict().items()}
    found = []
    for seed in (1, 2):
        placebo.load_state_dict(state)
        torch.manual_seed(seed)
        found.append(gates_of(placebo, 10 * torch.randn(4, *SIZE[1:])))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)
        assert torch.equal(one, one[:1].expand_as(one))


def test_the_mechanism_itself_does_depend_on_it():
    for mechanism in mechanisms():
        nn.init.normal_(
            getattr(getattr(mechanism, "spatial", None), "norm", nn.Linear(1, 1)).weight
        )
        gates = gates_of(mechanism.eval(), torch.randn(SIZE))
        assert not all(torch.equal(gate, gate[:1].expand_as(gate)) for gate in gates)


def test_the_statistics_are_running_means_over_batches():
    placebo = Placebo(SqueezeExcitation(16, 4)).train()
    batches = [torch.randn(SIZE) for _ in range(4)]
    expected = batches[0].mean((0, 2, 3))
    for batch in batches:
        placebo(batch)
        expected = (1 - MOMENTUM) * expected + MOMENTUM * batch.mean((0, 2, 3))
    (kept,) = (b for n, b in placebo.named_buffers() if n.startswith("mean"))
    torch.testing.assert_close(kept.flatten(), expected)
    placebo.eval()(torch.randn(SIZE))
    torch.testing.assert_close(kept.flatten(), expected)


def test_the_gate_can_still_be_learned():
    placebo = Placebo(SqueezeExcitation(16, 4))
    placebo(torch.randn(SIZE)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in placebo.parameters())


@pytest.mark.parametrize("text", ["se", "cbam", "eca"])
def test_it_costs_what_the_mechanism_costs(text):
    def built():
        torch.manual_seed(0)
        model = SmallResNet(2, 1)
        return model, parse_arms(text)[1].plug_into(model, x, "paper")

    x = torch.randn(2, 1, 8, 8)
    (model, _), (blind, handle) = built(), built()
    make_placebo(handle)
    check_blind(blind, x, text)
    assert [p.shape for p in blind.parameters()] == [p.shape for p in model.parameters()]
    assert count_macs(blind, x) == count_macs(model, x)


def test_a_state_can_be_loaded_after_one_forward():
    one, other = (Placebo(SqueezeExcitation(16, 4)) for _ in range(2))
    one.train()(torch.randn(SIZE))
    other(torch.randn(SIZE))
    other.load_state_dict(one.state_dict())
    x = torch.randn(SIZE)
    assert torch.equal(one.eval()(x), other.eval()(x))


class Peeking(nn.Module):
    """A gate that looks at the map past the shared squeeze."""

    def __init__(self, channels):
        super().__init__()
        self.inner = SqueezeExcitation(channels)

    def forward(self, x):
        return modulate(self.inner(x), x.mean((2, 3), keepdim=True).sigmoid())


@pytest.mark.parametrize("factory", [lambda c, _: Peeking(c), lambda c, _: nn.Identity()])
def test_a_mechanism_that_cannot_be_blinded_is_refused(factory):
    model, x = SmallResNet(2, 1), torch.randn(2, 1, 8, 8)
    make_placebo(plug(model, factory, "layer1.*.bn2", example=x))
    with pytest.raises(RegardError, match=r"mine: this mechanism does not squeeze .* no placebo"):
        check_blind(model, x, "mine")


class ZeroAtFirst(nn.Module):
    """A gate of the map's own mean, past the shared squeeze; its weight starts at zero."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x):
        return modulate(x, 2 * torch.sigmoid(self.weight * x.mean((2, 3), keepdim=True)))


def test_a_gate_that_is_constant_only_at_its_start_is_refused_and_left_there():
    model, x = SmallResNet(2, 1), torch.randn(2, 1, 8, 8)
    make_placebo(plug(model, lambda c, _: ZeroAtFirst(c), "layer1.*.bn2", example=x))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(RegardError, match="has no placebo"):
        check_blind(model, x, "mine")
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_looking_at_a_placebo_leaves_its_parameters_as_they_were():
    model, x = SmallResNet(2, 1), torch.randn(2, 1, 8, 8)
    handle = parse_arms("cbam")[1].plug_into(model, x, "identity")
    make_placebo(handle)
    before = [p.clone() for p in model.parameters()]
    check_blind(model, x, "cbam")
    assert all(map(torch.equal, model.parameters(), before))
