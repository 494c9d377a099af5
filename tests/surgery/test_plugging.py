"""plug, the handle, unplug: identity at the start, exact removal, nothing half done."""

from __future__ import annotations

import copy
import io
from collections import OrderedDict

import pytest
import torch
from torch import nn

import regard
from regard.errors import RegardError

X = torch.randn(2, 3, 12, 10)


class Block(nn.Module):
    def __init__(self, inside, outside):
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(outside)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(outside)

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += y.mean()
        return self.relu(y)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1, self.layer2 = Block(3, 8), Block(8, 16)
        self.fc = nn.Linear(16, 4)

    def forward(self, x):
        return self.fc(self.layer2(self.layer1(x)).mean((2, 3)))


@pytest.fixture
def net(randomised) -> nn.Module:
    return randomised(Net())


MECHANISMS = ["se", "eca", "cbam", "cbam_channel", "cbam_spatial", "multihead", "self"]


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("before", [False, True])
def test_the_output_does_not_change_at_plugging(net, mechanism, before):
    plain = net(X)
    at = ["layer2.bn1", "layer2.bn2"]
    handle = regard.plug(net, mechanism, at, example=X, before=before)
    assert len(handle) == 2
    assert handle.drift <= 1e-6
    assert (net(X) - plain).abs().max() <= 1e-6


@pytest.mark.parametrize("mechanism", ["danet_channel", "outlook"])
def test_a_block_is_plugged_whether_it_always_adds_its_input_or_when_asked(net, mechanism):
    wanted = net(X)
    regard.plug(net, mechanism, at="layer2", example=X)
    torch.testing.assert_close(net(X), wanted, rtol=0, atol=1e-6)


def test_the_published_start_changes_it_and_says_so(net):
    plain = net(X)
    handle = regard.plug(net, "se", "layer*.bn2", example=X, start="paper")
    assert handle.drift == pytest.approx(float((net(X) - plain).abs().max()))
    assert handle.drift > 1e-3


CORES = [name for name in regard.names(takes="tokens") if regard.card(name).start == "none"]


@pytest.mark.parametrize("core", CORES)
def test_what_cannot_start_as_the_identity_wants_the_published_start(net, core, traces):
    before = traces(net)
    with pytest.raises(RegardError, match=f"^{core} cannot start as the identity.*start='paper'"):
        regard.plug(net, core, "layer2.bn2", example=X)
    assert traces(net) == before
    assert regard.plug(net, core, "layer2.bn2", example=X, start="paper").drift > 1e-3


def test_the_bare_scores_are_what_cannot_start_as_the_identity():
    assert CORES == ["additive", "bilinear", "cosine", "dot", "location", "scaled_dot"]


def test_without_an_example_the_drift_is_unknown(net):
    handle = regard.plug(net, "se", "layer*.bn2")
    assert handle.drift is None
    assert "output changed" not in handle.table()


def test_the_default_side_is_that_of_the_card(net):
    handle = regard.plug(net, "spatial_transformer", "layer1.conv1", example=X)
    assert handle.places == (("layer1.conv1", "before"),)
    assert handle.mechanisms()["before layer1.conv1"].channels == 3
    handle = regard.plug(net, "se", "layer1.conv1", example=X)
    assert handle.places == (("layer1.conv1", "after"),)


def test_a_warp_before_the_first_convolution_moves_the_image(net, disturbed):
    plain = net(X)
    handle = regard.plug(net, "spatial_transformer", "layer1.conv1", example=X)
    assert handle.drift <= 1e-5
    disturbed(handle)
    expected = handle.mechanisms()["before layer1.conv1"](X)
    moved = net(X)
    with handle.disabled():
        assert torch.equal(moved, net(expected))
        assert torch.equal(net(X), plain)


def test_the_model_itself_is_plugged_by_an_empty_name(disturbed):
    model, x = nn.Conv2d(3, 8, 1), torch.randn(1, 3, 4, 4)
    plain, own = model(x), copy.deepcopy(model.state_dict())
    handle = disturbed(regard.plug(model, "se", "", example=x))
    assert torch.equal(model(x), handle.mechanisms()[""](plain))
    assert [k for k in model.state_dict() if not k.startswith("regard.")] == list(own)
    assert not any(model.load_state_dict(own))
    assert '""' in handle.table()
    regard.unplug(model)
    assert torch.equal(model(x), plain)


def test_every_parameter_learns(net, disturbed):
    handle = regard.plug(net, "cbam", "layer*.bn*", example=X)
    net.train()
    net(X).square().sum().backward()
    assert any(p.grad.abs().max() > 0 for p in handle.parameters())
    net.zero_grad()
    disturbed(handle)
    net(X).square().sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    assert all(p.grad.abs().max() > 0 for p in handle.parameters())


def test_a_frozen_host_trains_the_mechanisms_alone(net):
    net.requires_grad_(False)
    handle = regard.plug(net, "se", "layer*.bn2", example=X)
    assert all(p.requires_grad for p in handle.parameters())
    net(X).sum().backward()
    assert [n for n, p in net.named_parameters() if p.grad is not None] == [
        n for n, p in net.named_parameters() if ".regard." in n
    ]


def test_mechanisms_are_drawn_from_the_seed_and_differ_from_site_to_site(net):
    other = copy.deepcopy(net)
    weights = []
    for model in (net, other):
        torch.manual_seed(7)
        handle = regard.plug(model, "se", ["layer2.bn1", "layer2.bn2"], example=X)
        weights.append([m.reduce.weight for m in handle.mechanisms().values()])
    assert torch.equal(weights[0][0], weights[1][0])
    assert not torch.equal(weights[0][0], weights[0][1])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_mechanisms_have_the_dtype_of_their_site(net, dtype):
    net, x = net.to(dtype), X.to(dtype)
    plain = net(x)
    handle = regard.plug(net, "cbam", "layer*.bn2", example=x)
    assert {p.dtype for p in handle.parameters()} == {dtype}
    assert torch.equal(net(x), plain)
    factory = regard.plug(net, lambda c, _: nn.Conv2d(c, c, 1), "layer1.bn1", example=x)
    assert {p.dtype for p in factory.parameters()} == {dtype}


def test_what_cannot_hide_the_future_is_refused_where_that_is_asked(net, traces):
    before = traces(net)
    with pytest.raises(RegardError, match=r"^se takes no causal.*'self' or 'multihead'"):
        regard.plug(net, "se", "layer1.bn2", example=X, causal=True)
    with pytest.raises(RegardError, match=r"^factory takes no causal"):
        regard.plug(net, lambda *_: nn.Identity(), "layer1.bn2", example=X, causal=True)
    assert traces(net) == before


def test_a_causal_mechanism_passes_the_mask_too_and_is_traced(disturbed):
    class Text(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(9, 8)

        def forward(self, ids, mask=None):
            return self.embed(ids)

    model, ids, real = Text().eval(), torch.randint(9, (2, 5)), torch.ones(2, 5, dtype=torch.bool)
    real[0, :2] = False
    options = {"example": ids, "mask": "mask", "causal": True, "heads": 2}
    handle = disturbed(regard.plug(model, "multihead", "embed", **options))
    with handle.disabled():
        tokens = model(ids)
    wanted = handle.mechanisms()["embed"](tokens, mask=real, causal=True)
    torch.testing.assert_close(model(ids, real), wanted)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(ids, real), wanted)
    torch.testing.assert_close(torch.fx.symbolic_trace(model)(ids, real), wanted)


OWN = """
from dataclasses import replace

import torch
from torch import nn

import regard


class Mine(nn.Module):
    def __init__(self, channels{options}):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, 1, 1{passed}))

    def forward(self, x):
        return x * 2 * torch.sigmoid(self.weight * x.mean((2, 3), keepdim=True))


CARD = replace(regard.card("se"), name="mine", module=Mine, aliases=())
"""


@pytest.mark.parametrize(
    ("options", "passed"),
    [("", ""), (", device=None", ", device=device"), (", dtype=None", ", dtype=dtype")],
)
@pytest.mark.parametrize("home", [torch.float64, "meta"])
def test_a_mechanism_of_ones_own_need_not_take_device_dtype_or_start(
    net, tmp_path, options, passed, home
):
    path = tmp_path / "mine.py"
    path.write_text(OWN.format(options=options, passed=passed), encoding="utf-8")
    net, x = net.to(home), X.to(home)
    handle = regard.plug(net, f"{path}:mine", "layer*.bn2", example=x)
    assert {(p.device, p.dtype) for p in handle.parameters()} == {(x.device, x.dtype)}
    assert home == "meta" or handle.drift == 0


def test_a_model_on_the_meta_device(net):
    net = net.to("meta")
    handle = regard.plug(net, "cbam", "layer*.bn2", example=X.to("meta"))
    assert {p.device.type for p in handle.parameters()} == {"meta"}
    assert handle.drift is None


def test_a_mechanism_has_the_mode_of_its_site(net):
    net.train()
    net.layer1.eval()
    handle = regard.plug(net, "cbam", "layer*.bn2", example=X)
    modes = {name: m.training for name, m in handle.mechanisms().items()}
    assert modes == {"layer1.bn2": False, "layer2.bn2": True}
    assert [m.training for m in net.layer1.modules()] == [False] * len([*net.layer1.modules()])


def test_a_factory_gets_channels_and_name(net):
    seen = []

    def factory(channels, name):
        seen.append((channels, name))
        return nn.Conv2d(channels, channels, 1, groups=channels)

    handle = regard.plug(net, factory, "layer*.bn2", example=X)
    assert seen == [(8, "layer1.bn2"), (16, "layer2.bn2")]
    assert handle.drift > 0
    assert "factory" in handle.table()


def test_a_factory_on_tokens_gets_tokens():
    model, x = nn.Sequential(nn.Linear(8, 8)), torch.randn(2, 5, 8)
    regard.plug(model, lambda c, _: nn.LayerNorm(c), "0", example=x)
    assert torch.equal(model(x), nn.functional.layer_norm(model[0].forward(x), (8,)))


class Both(nn.Module):
    def forward(self, x):
        return x, x


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        (lambda c, _: nn.Conv2d(c, c + 1, 1), r"made \[2, 9, 12, 10\] of \[2, 8, 12, 10\];"),
        (lambda *_: Both(), r"made a tuple of \[2, 8, 12, 10\];"),
    ],
)
def test_a_module_that_changes_the_shape_is_named_where_the_host_fails(net, factory, words, traces):
    before = traces(net)
    kind = type(factory(1, "")).__name__
    with pytest.raises(RegardError, match=rf"^{kind} at site 'layer1.bn2' {words}.*Error: "):
        regard.plug(net, factory, "layer1.bn2", example=X)
    assert traces(net) == before


def test_tokens_of_another_number_are_named_too():
    class Half(nn.Module):
        def forward(self, x):
            return x[:, ::2]

    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Flatten(), nn.Linear(40, 2))
    with pytest.raises(RegardError, match=r"Half at site '0' made \[2, 3, 8\] of \[2, 5, 8\]"):
        regard.plug(model, lambda *_: Half(), "0", example=torch.randn(2, 5, 8))


def test_a_shape_that_the_host_takes_may_change(net):
    handle = regard.plug(net, lambda c, _: nn.Conv2d(c, c, 3), "layer1.bn2", example=X)
    assert handle.drift > 0
    assert all(not m._forward_hooks for m in handle.mechanisms().values())


class Fails(nn.Module):
    """Fails when it is built for 16 channels, or when it runs."""

    def __init__(self, channels, late):
        super().__init__()
        if channels == 16 and not late:
            raise KeyError("at the second site")
        self.channels = channels

    def forward(self, x):
        if self.channels == 16:
            raise KeyError("at the second site")
        return x


@pytest.mark.parametrize("late", [False, True])
def test_a_failure_half_way_leaves_the_model_exactly_as_it_was(net, traces, late):
    plain, before = net(X), traces(net)
    state = torch.get_rng_state()
    with pytest.raises((KeyError, RegardError), match="at the second site"):
        regard.plug(net, lambda c, _: Fails(c, late), "layer*.bn2", example=X)
    assert traces(net) == before
    assert torch.equal(net(X), plain)
    assert torch.equal(torch.get_rng_state(), state)


def test_an_interruption_leaves_the_model_exactly_as_it_was(net, traces):
    class Interrupts(nn.Module):
        def forward(self, x):
            raise KeyboardInterrupt

    before = traces(net)
    with pytest.raises(KeyboardInterrupt):
        regard.plug(net, lambda *_: Interrupts(), "layer*.bn2", example=X)
    assert traces(net) == before


def test_a_failure_keeps_what_was_plugged_before(net, traces):
    regard.plug(net, "se", "layer1.bn2", example=X)
    before = traces(net)
    with pytest.raises(RegardError, match="carries 'se'"):
        regard.plug(net, "se", "layer*.bn2", example=X)
    assert traces(net) == before


def test_removal_is_exact(net, traces, disturbed):
    plain, before, own = net(X), traces(net), list(net.state_dict())
    handle = disturbed(regard.plug(net, "cbam", "layer*.bn*", example=X))
    assert not torch.equal(net(X), plain)
    handle.remove()
    assert traces(net) == before
    assert list(net.state_dict()) == own
    assert torch.equal(net(X), plain)
    assert len(handle) == 0
    handle.remove()
    assert traces(net) == before


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_several_mechanisms_leave_in_any_order(net, traces, disturbed, order):
    plain, before = net(X), traces(net)
    handles = [
        regard.plug(net, "se", "layer*.bn2", example=X),
        regard.plug(net, "eca", "layer*.bn2", example=X, before=True),
        regard.plug(net, "multihead", "layer2", example=X, heads=2),
    ]
    outputs = []
    for handle in handles:
        disturbed(handle)
        outputs.append(net(X))
    for k in order:
        handles[k].remove()
    assert traces(net) == before
    assert torch.equal(net(X), plain)
    assert len({float(o.sum()) for o in outputs}) == 3


def test_off_on_and_disabled_are_bit_exact(net, disturbed):
    plain = net(X)
    handle = disturbed(regard.plug(net, "cbam", "layer*.bn2", example=X))
    gated = net(X)
    handle.off()
    assert torch.equal(net(X), plain)
    assert handle.table().count(" no") == 2
    handle.on()
    assert torch.equal(net(X), gated)
    with handle.disabled():
        assert torch.equal(net(X), plain)
        with handle.disabled():
            assert torch.equal(net(X), plain)
        assert torch.equal(net(X), plain)
    assert torch.equal(net(X), gated)
    handle.off()
    with pytest.raises(KeyError), handle.disabled():
        raise KeyError
    assert torch.equal(net(X), plain), "disabled() returns to what was, not to on"


def test_a_copy_is_found_switched_and_emptied_alone(net, disturbed):
    plain = net(X)
    handle = disturbed(regard.plug(net, "se", "layer*.bn2", example=X))
    gated, other = net(X), copy.deepcopy(net)
    found = regard.plugged(other)
    assert found.places == handle.places
    found.off()
    assert torch.equal(other(X), plain)
    assert torch.equal(net(X), gated)
    regard.unplug(other)
    assert torch.equal(other(X), plain)
    assert torch.equal(net(X), gated)
    assert len(handle) == 2


def test_what_was_replaced_since_is_no_longer_plugged(net):
    handle = regard.plug(net, "se", "layer*.bn2", example=X)
    net.layer2 = nn.Conv2d(8, 16, 1)
    assert list(handle.mechanisms()) == ["layer1.bn2"]
    handle.off()
    handle.remove()


def test_a_module_used_twice_carries_one_mechanism_for_both_calls(disturbed):
    shared = nn.Conv2d(4, 4, 3, padding=1)
    model = nn.Sequential(OrderedDict(one=shared, act=nn.ReLU(), two=shared))
    x = torch.randn(1, 4, 5, 5)
    conv = copy.deepcopy(shared)
    handle = disturbed(regard.plug(model, "se", ["one", "two"], example=x))
    se = handle.mechanisms()["one"]
    assert len(handle) == 1
    assert torch.equal(model(x), se(conv(torch.relu(se(conv(x))))))
    assert len(list(handle.parameters())) == len(list(se.parameters()))
    assert not any(model.load_state_dict({f"{n}.{k}": v for n in ("one", "two")
                                          for k, v in conv.state_dict().items()}))  # fmt: skip
    regard.unplug(model)
    assert list(model.state_dict()) == ["one.weight", "one.bias", "two.weight", "two.bias"]


def test_a_plugged_site_keeps_its_other_hooks(net):
    calls = []
    net.layer1.bn2.register_forward_hook(lambda *_: calls.append("mine"))
    handle = regard.plug(net, "se", "layer1.bn2")
    net(X)
    handle.remove()
    net(X)
    assert calls == ["mine", "mine"]


def test_compile_export_and_trace_of_a_plugged_model(net, disturbed):
    disturbed(regard.plug(net, "cbam", "layer*.bn2", example=X))
    gated = net(X)
    compiled = torch.compile(net, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(X), gated)
    torch.testing.assert_close(torch.export.export(net, (X,)).module()(X), gated)
    torch.testing.assert_close(torch.fx.symbolic_trace(net)(X), gated)


def test_switching_off_reaches_a_compiled_model(net, disturbed):
    plain = net(X)
    handle = disturbed(regard.plug(net, "se", "layer*.bn2", example=X))
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    gated = compiled(X)
    with handle.disabled():
        torch.testing.assert_close(compiled(X), plain)
    torch.testing.assert_close(compiled(X), gated)


def test_wrappers_around_a_plugged_model(net, disturbed):
    disturbed(regard.plug(net, "se", "layer*.bn2", example=X))
    gated = net(X)
    assert torch.equal(nn.DataParallel(net)(X), gated)
    average = torch.optim.swa_utils.AveragedModel(net)
    average.update_parameters(net)
    assert torch.equal(average(X), gated)


def test_a_saved_model_is_found_again(net, disturbed):
    disturbed(regard.plug(net, "se", "layer*.bn2", example=X))
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    assert torch.equal(loaded(X), net(X))
    assert regard.plugged(loaded).places == regard.plugged(net).places


def test_a_handle_shows_what_is_where(net, capsys):
    handle = regard.plug(net, "squeeze_excitation", "layer*.bn2", example=X)
    regard.plug(net, "eca", "layer1.conv1", before=True)
    lines = regard.plugged(net).table().splitlines()
    assert lines[0].split() == ["site", "mechanism", "layout", "parameters", "on"]
    assert lines[1].split() == ["before", "layer1.conv1", "eca", "NCHW", "1", "yes"]
    assert lines[3].split() == ["layer2.bn2", "se", "NCHW", "49", "yes"]
    assert handle.table().endswith("output changed by 0 at plugging")
    handle.show()
    assert capsys.readouterr().out == handle.table() + "\n"
    assert "<table" in handle._repr_html_()
    assert "output changed by 0" in handle._repr_html_()
    assert "layout=NCHW" in str(net)


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.inner = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, padding=1)
        self.up = nn.ConvTranspose2d(8, 8, 2, 2)
        self.out = nn.Conv2d(11, 2, 1)

    def forward(self, x):
        y = self.up(torch.relu(self.inner(torch.relu(self.down(x)))))
        return {"out": self.out(torch.cat([x, y], 1)), "features": y}


class Sound(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv1d(2, 16, 5), nn.BatchNorm1d(16), nn.GELU()])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return (x, x.mean())


class Video(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv3d(3, 8, 3, padding=1), nn.BatchNorm3d(8), nn.ReLU())


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.rnn = nn.GRU(8, 8, batch_first=True)
        self.head = nn.Linear(8, 20, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids):
        return self.head(self.rnn(self.embed(ids))[0])


@pytest.mark.parametrize(
    ("build", "x", "at"),
    [
        (UNet, torch.randn(2, 3, 16, 16), ["down", "inner", "up"]),
        (Sound, torch.randn(3, 2, 40), "layers.*"),
        (Video, torch.randn(1, 3, 4, 8, 8), "*"),
        (Tied, torch.randint(20, (2, 7)), ["embed", "rnn"]),
    ],
)
@pytest.mark.parametrize("mechanism", ["se", "cbam", "multihead"])
def test_other_kinds_of_hosts(build, x, at, mechanism, randomised, traces, call, disturbed):
    model = randomised(build())
    plain, before = call(model, x), traces(model)
    options = {"heads": 2} if mechanism == "multihead" else {}
    handle = regard.plug(model, mechanism, at, example=x, **options)
    assert handle.drift <= 1e-6
    assert len(handle) == (len(at) if isinstance(at, list) else 3)
    disturbed(handle)
    assert (call(model, x) - plain).abs().max() > 1e-5
    call(model.train(), x).square().sum().backward()
    assert all(p.grad is not None for p in handle.parameters())
    handle.remove()
    assert traces(model.eval()) == before
