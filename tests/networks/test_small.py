import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from regard.cost import count_macs
from regard.errors import RegardError
from regard.networks import SmallResNet, widen
from regard.networks.small import scaled


def by_hand(side, classes=10, channels=1, widths=(16, 32, 64)):
    """Parameters and MACs from the description of the network, layer by layer."""
    one, two, three = widths
    sides = [-(-side // 2)]
    sides += [sides[0], -(-sides[0] // 2), -(-sides[0] // 4)]
    layers = [(channels, one, 3, sides[0])]
    for before, after, out in ((one, one, 1), (one, two, 2), (two, three, 3)):
        layers += [(before, after, 3, sides[out]), (after, after, 3, sides[out])]
        layers += [(before, after, 1, sides[out])] if before != after or out > 1 else []
    parameters = sum(i * o * k * k + 2 * o for i, o, k, _ in layers) + (three + 1) * classes
    return parameters, sum(i * o * k * k * s * s for i, o, k, s in layers) + three * classes


@pytest.mark.parametrize(
    ("width", "widths"), [(1.0, (16, 32, 64)), (0.1, (8, 8, 8)), (1.5, (24, 48, 96))]
)
def test_parameters_and_macs_are_those_of_the_description(width, widths):
    model = SmallResNet(7, 3, width)
    parameters, macs = by_hand(32, 7, 3, widths)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert count_macs(model, torch.randn(1, 3, 32, 32)) == macs


def test_numbers_in_the_documentation():
    model = SmallResNet()
    parameters = sum(p.numel() for p in model.parameters())
    assert f"{parameters:,} parameters" in SmallResNet.__doc__
    macs = count_macs(model, torch.randn(1, 1, 32, 32))
    assert f"{macs / 1e6:.2f} million MACs at 32×32" in SmallResNet.__doc__


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(8, 33),
    width=st.integers(8, 33),
    channels=st.integers(1, 4),
    batch=st.integers(2, 3),
)
def test_any_size_trains(height, width, channels, batch):
    model = SmallResNet(5, channels, 0.5)
    scores = model(torch.randn(batch, channels, height, width))
    assert scores.shape == (batch, 5)
    scores.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_names_are_the_usual_ones():
    names = {name for name, _ in SmallResNet().named_modules()}
    assert {"stem.conv", "stem.bn", "layer1.0.conv1", "layer3.0.bn2", "head"} <= names
    assert {n for n in names if n.endswith("shortcut")} == {
        "layer2.0.shortcut",
        "layer3.0.shortcut",
    }


def test_memory_format_does_not_change_the_result():
    model, x = SmallResNet().eval().double(), torch.randn(3, 1, 15, 17).double()
    plain = model(x)
    last = model.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(plain, last)


def test_block_is_the_formula():
    block = SmallResNet().layer2[0].eval()
    x = torch.randn(2, 16, 9, 9)
    branch = block.bn2(block.conv2(block.bn1(block.conv1(x)).clamp(min=0)))
    shortcut = block.shortcut.bn(block.shortcut.conv(x))
    torch.testing.assert_close(block(x), (branch + shortcut).clamp(min=0))


def test_outputs_seen_by_hooks_are_not_written_over():
    model, seen = SmallResNet(), []
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda m, i, out: seen.append((out, out.clone())))
    model(torch.randn(4, 1, 12, 12))
    assert len(seen) == 9
    assert all(torch.equal(out, copy) for out, copy in seen)


def test_no_normalisation_starts_at_zero_and_convolutions_start_as_in_the_paper():
    model = SmallResNet(width=4)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all()
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 4000:
            expected = (2 / (module.out_channels * module.kernel_size[0] ** 2)) ** 0.5
            assert module.weight.std().item() == pytest.approx(expected, rel=0.05)


def test_seed_gives_the_weights():
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(SmallResNet().state_dict())
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])


@given(channels=st.sampled_from([16, 32, 64]), width=st.floats(0.01, 8))
def test_widths_are_multiples_of_eight_near_what_was_asked(channels, width):
    result = scaled(channels, width)
    assert result % 8 == 0
    assert result >= 8
    assert result == 8 or abs(result - channels * width) <= 4


@pytest.mark.parametrize(
    "options", [{"classes": 0}, {"channels": 0}, {"width": 0.0}, {"width": float("nan")}]
)
def test_impossible_networks_are_refused(options):
    with pytest.raises(RegardError, match=f"{next(iter(options))}="):
        SmallResNet(**options)


def build(width):
    return SmallResNet(width=width)


@settings(max_examples=8, deadline=None)
@given(parameters=st.integers(1, 300_000), macs=st.integers(1, 3_000_000))
def test_widened_network_reaches_both_and_no_narrower_one_does(parameters, macs):
    x = torch.randn(1, 1, 16, 16)
    width = widen(build, parameters, macs, x)

    def reaches(width):
        model = build(width)
        enough = sum(p.numel() for p in model.parameters()) >= parameters
        return enough and count_macs(model, x) >= macs

    assert reaches(width)
    assert width <= 1 / 16 or not reaches(width - 1 / 16)


def test_channel_counts_change_only_at_the_widths_that_are_tried():
    counts = {}
    for step in range(16 * 16):
        width = 1 / 16 + step / 256
        tried = int(width * 16) / 16
        counts.setdefault(tried, set()).add(tuple(scaled(c, width) for c in (16, 32, 64)))
    assert all(len(found) == 1 for found in counts.values())


def test_network_of_its_own_size_needs_width_one():
    parameters, macs = by_hand(16)
    width = widen(build, parameters, macs, torch.randn(1, 1, 16, 16))
    assert by_hand(16, widths=tuple(scaled(c, width) for c in (16, 32, 64))) == (parameters, macs)


def test_out_of_reach_is_an_error_with_the_numbers():
    with pytest.raises(RegardError, match="no width up to 8 reaches 1,000,000,000 parameters"):
        widen(build, 1_000_000_000, 1, torch.randn(1, 1, 8, 8))


def test_widening_leaves_the_random_state():
    before = torch.get_rng_state()
    widen(build, 100_000, 1, torch.zeros(1, 1, 8, 8))
    assert torch.equal(before, torch.get_rng_state())
