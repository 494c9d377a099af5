"""Carrying: the first tensor of any output or input, hooks, the host's own checkpoint."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict, namedtuple
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import regard
from regard.errors import RegardError
from regard.ops import using
from regard.surgery.carrier import attachment_of, first_tensor, on_first_tensor
from regard.surgery.masks import HostMask

Pair = namedtuple("Pair", ["label", "value"])
X = torch.ones(2)


@pytest.mark.parametrize(
    "value",
    [
        X,
        (X, 1),
        [None, X, X],
        {"a": None, "b": X, "c": X},
        OrderedDict(a=1, b=X),
        Pair("name", X),
    ],
    ids=["tensor", "tuple", "list", "dict", "OrderedDict", "namedtuple"],
)
def test_the_first_tensor_is_changed_and_the_rest_kept(value):
    changed = on_first_tensor(value, lambda t: t + 1)
    assert type(changed) is type(value)
    assert torch.equal(first_tensor(changed), X + 1)
    assert torch.equal(first_tensor(value), X)
    if not isinstance(value, torch.Tensor):
        assert len(changed) == len(value)


def test_a_model_output_of_transformers_keeps_type_and_attributes():
    outputs = pytest.importorskip("transformers.modeling_outputs")
    value = outputs.BaseModelOutput(last_hidden_state=X, hidden_states=(X, X))
    changed = on_first_tensor(value, lambda t: t + 1)
    assert type(changed) is type(value)
    assert torch.equal(changed.last_hidden_state, X + 1)
    assert torch.equal(changed[0], X + 1)
    assert torch.equal(value.last_hidden_state, X)
    assert changed.hidden_states is value.hidden_states


@pytest.mark.parametrize("value", [None, 3, "text", (None, 1), {}, SimpleNamespace(x=X)])
def test_what_holds_no_tensor_passes_unchanged(value):
    assert on_first_tensor(value, lambda t: t + 1) is value
    assert first_tensor(value) is None


class Returns(nn.Module):
    """A convolution whose output is wrapped in some way."""

    def __init__(self, wrap):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)
        self.wrap = wrap

    def forward(self, x):
        return self.wrap(self.conv(x))


class Holder(nn.Module):
    def __init__(self, wrap, unwrap):
        super().__init__()
        self.inside = Returns(wrap)
        self.unwrap = unwrap

    def forward(self, x):
        return self.unwrap(self.inside(x))


@pytest.mark.parametrize(
    ("wrap", "unwrap"),
    [
        (lambda y: (y, None), lambda o: o[0]),
        (lambda y: {"aux": None, "out": y}, lambda o: o["out"]),
        (lambda y: Pair("name", y), lambda o: o.value),
        (lambda y: [y, y], lambda o: o[0]),
    ],
    ids=["tuple", "dict", "namedtuple", "list"],
)
def test_sites_with_structured_outputs(wrap, unwrap, disturbed):
    model, x = Holder(wrap, unwrap).eval(), torch.randn(2, 3, 5, 6)
    plain = model(x)
    handle = disturbed(regard.plug(model, "se", "inside", example=x))
    assert handle.drift == 0
    expected = handle.mechanisms()["inside"](plain)
    assert torch.equal(model(x), expected)
    assert not torch.equal(expected, plain)


class KeywordsOnly(nn.Module):
    """Calls its layer with keyword arguments, as hosts of transformers do."""

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(8, 8)

        def forward(self, *, scale, hidden):
            return self.linear(hidden) * scale

    def __init__(self):
        super().__init__()
        self.layer = self.Layer()

    def forward(self, x):
        return self.layer(scale=2.0, hidden=x)


@pytest.mark.parametrize("before", [False, True])
def test_modules_called_with_keywords_only(before, disturbed):
    model, x = KeywordsOnly().eval(), torch.randn(2, 5, 8)
    plain = model(x)
    handle = regard.plug(model, "se", "layer", example=x, before=before)
    assert torch.equal(model(x), plain)
    disturbed(handle)
    (mechanism,) = handle.mechanisms().values()
    gated = mechanism(x.transpose(1, 2)).transpose(1, 2)
    with handle.disabled():
        expected = model(gated) if before else mechanism(plain.transpose(1, 2)).transpose(1, 2)
    assert torch.equal(model(x), expected)


def test_both_sides_of_one_site(disturbed):
    model, x = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), torch.randn(2, 3, 7, 6)
    first = disturbed(regard.plug(model, "eca", "0", before=True))
    second = disturbed(regard.plug(model, "se", "0"))
    eca, se = first.mechanisms()["before 0"], second.mechanisms()["0"]
    conv = copy.deepcopy(model[0])
    regard.unplug(conv)
    assert torch.equal(model(x), torch.relu(se(conv(eca(x)))))


def test_a_carrier_runs_its_mechanism_once_a_call():
    model, x = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU()), torch.randn(1, 3, 4, 4)
    handle = regard.plug(model, "se", "0", example=x)
    calls = []
    handle.mechanisms()["0"].register_forward_hook(lambda *_: calls.append(1))
    model(x)
    assert len(calls) == 1


class RunsItsChildren(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        for child in self.children():
            x = child(x)
        return x


def test_a_host_that_calls_all_its_children_is_refused_and_left_as_it_was(traces):
    model, x = nn.Sequential(RunsItsChildren()), torch.randn(1, 3, 4, 4)
    before = traces(model)
    with pytest.raises(RegardError, match=r"all children of site '0' one by one, .*plug at one"):
        regard.plug(model, "se", RunsItsChildren, example=x)
    assert traces(model) == before


class Block(nn.Module):
    """In-place activation and in-place addition right after the sites."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(4)
        self.act = nn.ReLU(inplace=True)
        self.last = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        y = self.last(self.act(self.bn(self.conv(x))))
        y += x
        return self.act(y)


@pytest.mark.parametrize("mechanism", ["se", "eca", "cbam", "multihead", "spatial_transformer"])
def test_the_host_may_write_into_what_a_mechanism_returns(mechanism, disturbed):
    options = {"heads": 2} if mechanism == "multihead" else {}
    model, x = Block(), torch.randn(2, 4, 6, 5, requires_grad=True)
    disturbed(regard.plug(model, mechanism, ["bn", "last"], example=x, before=False, **options))
    model(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("reentrant", [True, False])
def test_activation_checkpointing_gives_the_same_gradients(reentrant, disturbed):
    model, x = Block(), torch.randn(2, 4, 6, 5, requires_grad=True)
    disturbed(regard.plug(model, "cbam", "bn", example=x))
    gradients = []
    for run in (model, lambda value: checkpoint(model, value, use_reentrant=reentrant)):
        model.zero_grad()
        with using("torch"):  # kernels round otherwise with gradients than without
            run(x).square().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.fixture
def network():
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(3, 8, 3), bn=nn.BatchNorm2d(8), act=nn.ReLU(), last=nn.Conv2d(8, 4, 1)
        )
    ).eval()


def test_the_keys_of_the_host_stay_and_its_checkpoint_loads_strictly(network):
    own = copy.deepcopy(network.state_dict())
    regard.plug(network, "cbam", "bn")
    assert [k for k in network.state_dict() if ".regard." not in k] == list(own)
    added = {k: v.clone() for k, v in network.state_dict().items() if ".regard." in k}
    shifted = {k: v + 1 for k, v in own.items()}
    assert not any(network.load_state_dict(shifted))
    now = network.state_dict()
    assert all(torch.equal(now[k], v) for k, v in (shifted | added).items())
    assert list(shifted) == list(own), "the caller's dictionary is not written to"


def test_assigning_a_checkpoint_keeps_the_parameters_an_optimizer_holds(network):
    own = copy.deepcopy(network.state_dict())
    handle = regard.plug(network, "se", "bn")
    held = [id(p) for p in handle.parameters()]
    network.load_state_dict(own, assign=True)
    assert [id(p) for p in handle.parameters()] == held


def test_a_plugged_model_inside_a_larger_one_loads_the_larger_checkpoint(network):
    larger = nn.ModuleDict({"backbone": network, "head": nn.Linear(4, 2)})
    own = copy.deepcopy(larger.state_dict())
    regard.plug(network, "cbam", "bn")
    assert not any(larger.load_state_dict(own))
    twice = nn.ModuleDict({"outer": larger})
    assert not any(twice.load_state_dict({f"outer.{k}": v for k, v in own.items()}))


def test_hosts_within_hosts_load_what_was_saved_before_either_was_plugged(network, traces):
    larger = nn.Sequential(OrderedDict(backbone=network, head=nn.Conv2d(4, 2, 1)))
    own, bare = copy.deepcopy(larger.state_dict()), traces(larger)
    regard.plug(network, "se", "bn")
    between = copy.deepcopy(larger.state_dict())
    regard.plug(larger, "eca", "head")
    assert not any(larger.load_state_dict(own))
    assert not any(network.load_state_dict({k[9:]: v for k, v in own.items() if "back" in k}))
    with pytest.raises(RuntimeError, match="Missing key"):
        larger.load_state_dict(between)
    regard.unplug(larger)
    assert traces(larger) == bare


def test_a_checkpoint_with_only_some_of_our_keys_is_broken(network):
    regard.plug(network, "se", ["bn", "last"])
    state = network.state_dict()
    del state["bn.regard.after.mechanism.reduce.weight"]
    with pytest.raises(RuntimeError, match=r"Missing key.*bn\.regard\.after\.mechanism\.reduce"):
        network.load_state_dict(state)
    with pytest.raises(RuntimeError, match="Missing key"):
        network.load_state_dict({k: v for k, v in state.items() if "last.regard" not in k})


def test_a_host_checkpoint_that_misses_a_key_of_the_host_still_fails(network):
    own = copy.deepcopy(network.state_dict())
    regard.plug(network, "se", "bn")
    del own["conv.weight"]
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "conv.weight"\. $'):
        network.load_state_dict(own)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        network.load_state_dict({**network.state_dict(), "stranger": torch.ones(1)})


def test_a_copy_and_a_pickle_run_load_and_unplug_on_their_own(network, disturbed):
    x, own = torch.randn(1, 3, 6, 6), copy.deepcopy(network.state_dict())
    plain = network(x)
    disturbed(regard.plug(network, "cbam", ["bn", "last"], example=x))
    gated = network(x)
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(other(x), gated)
        assert not any(other.load_state_dict(own))
        assert attachment_of(other.bn, "after") is not attachment_of(network.bn, "after")
        regard.unplug(other)
        assert torch.equal(other(x), plain)
        assert torch.equal(network(x), gated)


class Text(nn.Module):
    """A text host in miniature, with its padding mask."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.layer = nn.Linear(8, 8)

    def forward(self, ids, attention_mask=None):
        return self.layer(self.embed(ids))


@pytest.mark.parametrize("mechanism", ["se", "eca", "cbam", "multihead"])
def test_padding_moves_no_real_token(mechanism, disturbed):
    model = Text().eval()
    ids = torch.randint(1, 20, (2, 6))
    handle = regard.plug(model, mechanism, "layer", example=ids, mask="attention_mask")
    disturbed(handle)
    padded = torch.cat([ids, torch.randint(1, 20, (2, 3))], 1)
    keep = torch.tensor([[1] * 6 + [0] * 3] * 2)
    real = model(ids, torch.ones_like(ids))
    torch.testing.assert_close(model(padded, keep)[:, :6], real, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(model(padded, attention_mask=keep)[:, :6], real)
    assert (model(padded)[:, :6] - real).abs().max() > 1e-3, "without a mask padding is seen"
    assert torch.equal(model(ids), real), "the mask of the last call is forgotten"


@pytest.mark.parametrize("mechanism", ["se", "eca", "cbam", "multihead"])
@pytest.mark.parametrize("reentrant", [True, False])
def test_padding_is_known_when_backward_recomputes(mechanism, reentrant, disturbed):
    model = Text()
    disturbed(
        regard.plug(
            model, mechanism, "layer", example=torch.ones(2, 6).long(), mask="attention_mask"
        )
    )
    run = model.layer
    ids, keep = torch.randint(1, 20, (2, 9)), torch.tensor([[1] * 6 + [0] * 3] * 2)
    gradients = []
    for checkpointed in (False, True):
        model.zero_grad()
        if checkpointed:
            model.layer = Checkpointed(run, reentrant)
        model(ids, keep)[:, :6].square().sum().backward()
        gradients.append([p.grad.clone() for p in run.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


class Checkpointed(nn.Module):
    def __init__(self, inside, reentrant):
        super().__init__()
        self.inside, self.reentrant = inside, reentrant

    def forward(self, x):
        return checkpoint(self.inside, x, use_reentrant=self.reentrant)


def test_what_a_mask_means_is_told_by_its_name():
    host = nn.TransformerEncoderLayer(8, 2)
    padding = torch.tensor([[False, True]])
    mask = HostMask("src_key_padding_mask", host)
    mask.read((), {"src_key_padding_mask": padding})
    assert mask.keep.tolist() == [[True, False]]
    mask = HostMask("~src_key_padding_mask", host)
    mask.read((None, None, padding), {})
    assert mask.keep.tolist() == [[False, True]]
    additive = torch.tensor([[0.0, float("-inf")]])
    mask = HostMask("src_key_padding_mask", host)
    mask.read((None, None, additive), {})
    assert mask.keep.tolist() == [[True, False]]
    mask.read((), {})
    assert mask.keep is None


def test_a_mask_that_does_not_fit_is_named():
    model = Text().eval()
    regard.plug(model, "se", "layer", example=torch.ones(2, 6).long(), mask="attention_mask")
    ids = torch.ones(2, 6).long()
    with pytest.raises(RegardError, match=r"attention_mask has shape \[2, 6, 6\]"):
        model(ids, torch.ones(2, 6, 6))
    with pytest.raises(RegardError, match=r"mask has shape \[2, 9\], but the site has \[2, 6\]"):
        model(ids, torch.ones(2, 9))


def test_several_masks_of_one_host_and_their_removal(traces, disturbed):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.source, self.target = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, source, target, source_padding_mask=None, target_padding_mask=None):
            return self.source(source), self.target(target)

    model = Two().eval()
    x = {"source": torch.randn(2, 5, 4), "target": torch.randn(2, 3, 4)}
    bare = traces(model)
    one = regard.plug(model, "se", "source", example=x, mask="source_padding_mask")
    two = regard.plug(model, "se", "target", example=x, mask="target_padding_mask")
    disturbed(one)
    masks = {
        "source_padding_mask": torch.tensor([[0, 0, 0, 1, 1]] * 2).bool(),
        "target_padding_mask": torch.tensor([[0, 0, 1]] * 2).bool(),
    }
    full = model(**x, **masks)[0][:, :3]
    x["source"] = torch.cat([x["source"][:, :3], torch.randn(2, 2, 4)], 1)
    assert torch.equal(model(**x, **masks)[0][:, :3], full)
    one.remove()
    model(**x, target_padding_mask=masks["target_padding_mask"])
    two.remove()
    assert traces(model) == bare


@pytest.mark.parametrize("at", ["layers.*", "layers.1.linear2"])
def test_nested_tensors_of_the_encoder_fast_path(at, disturbed):
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.TransformerEncoder(layer, 2).eval()
    x = torch.randn(3, 6, 8)
    padding = torch.arange(6) >= torch.tensor([[6], [4], [2]])
    call = {"src": x, "src_key_padding_mask": padding}
    disturbed(regard.plug(model, "se", at, example=call, mask="src_key_padding_mask"))
    with torch.no_grad():
        fast = model(**call)
    plain = model(**call)
    assert not fast[padding].any(), "the fast path drops what is padded"
    torch.testing.assert_close(fast[~padding], plain[~padding].detach())
