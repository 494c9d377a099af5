"""The contract on models nobody here wrote: timm, torchvision and transformers.

Depths are cut to one block a stage and images are small; the networks at full depth, and Inductor,
are marked slow. Normalisation weights are randomised first: with the zeros that residual branches
start with, nothing that happens inside them would show.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import regard
from regard.ops import using


class Host(NamedTuple):
    """How to build a host, what to call it with, and where to plug."""

    build: Callable[[], nn.Module]
    example: Callable[[], Any]
    at: str
    layout: str
    full: Callable[[], nn.Module] | None = None
    mask: str | None = None


def timm(name: str, **options: Any) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        models = pytest.importorskip("timm")
        return models.create_model(name, **options)

    return build


def one_block_a_stage(build: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    def cut() -> nn.Module:
        model = build()
        model.blocks = nn.Sequential(*[nn.Sequential(stage[0]) for stage in model.blocks])
        return model

    return cut


def torchvision(name: str, *layers: int) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        models = pytest.importorskip("torchvision.models")
        if layers:
            return models.resnet.ResNet(models.resnet.BasicBlock, list(layers))
        return getattr(models, name)()

    return build


def transformers(name: str, **options: Any) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        models = pytest.importorskip("transformers")
        config = getattr(models, name.removesuffix("Model") + "Config")(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
            hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **options,
        )  # fmt: skip
        return getattr(models, name)(config)

    return build


def image(size: int) -> Callable[[], torch.Tensor]:
    return lambda: torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))


def text() -> dict[str, torch.Tensor]:
    ids = torch.randint(1, 50, (2, 7), generator=torch.Generator().manual_seed(0))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


SWIN = "swin_tiny_patch4_window7_224"
HOSTS = {
    "resnet50": Host(
        timm("resnet50", layers=(1, 1, 1, 1)), image(48), "layer[1-3].*.bn3", "NCHW",
        timm("resnet50"),
    ),
    "convnext_tiny": Host(
        timm("convnext_tiny", depths=(1, 1, 1, 1)), image(48), "stages.*.blocks.*.mlp", "NHWC",
        timm("convnext_tiny"),
    ),
    "efficientnet_b0": Host(
        one_block_a_stage(timm("efficientnet_b0")), image(48), "blocks.[1-6].*.bn3", "NCHW",
        timm("efficientnet_b0"),
    ),
    "mobilenetv3": Host(
        one_block_a_stage(timm("mobilenetv3_large_100")), image(48), "blocks.[1-5].*", "NCHW",
        timm("mobilenetv3_large_100"),
    ),
    "vit_tiny": Host(
        timm("vit_tiny_patch16_224", depth=1, img_size=48), image(48), "blocks.*.attn", "NLC",
        timm("vit_tiny_patch16_224", img_size=48),
    ),
    "swin_tiny": Host(
        timm(SWIN, depths=(1, 1, 1, 1), img_size=56), image(56), "layers.*.blocks.*", "NHWC",
        timm(SWIN, img_size=56),
    ),
    "resnet18": Host(
        torchvision("resnet18", 1, 1, 1, 1), image(48), "layer*.*", "NCHW", torchvision("resnet18")
    ),
    "bert": Host(
        transformers("BertModel", vocab_size=50), text, "encoder.layer.*.output", "NLC",
        mask="attention_mask",
    ),
    "vit": Host(
        transformers("ViTModel", image_size=24, patch_size=8), image(24), "layers.*", "NLC"
    ),
}  # fmt: skip
MECHANISMS = ("se", "cbam", "multihead")


@cache
def built(name: str) -> nn.Module:
    torch.manual_seed(0)
    return HOSTS[name].build()


def plug(model: nn.Module, name: str, mechanism: str, **options: Any) -> regard.surgery.Plugged:
    host = HOSTS[name]
    return regard.plug(model, mechanism, host.at, example=host.example(), mask=host.mask, **options)


@pytest.fixture(params=HOSTS)
def name(request) -> str:
    return request.param


@pytest.fixture
def model(name, randomised) -> nn.Module:
    return randomised(copy.deepcopy(built(name)))


@pytest.fixture
def x(name):
    return HOSTS[name].example()


@pytest.fixture
def plugged(model, name, disturbed) -> nn.Module:
    """The model with an SE gate at every site, away from its start."""
    disturbed(plug(model, name, "se"))
    return model


def test_sites_are_found_and_told_apart(model, name, x):
    host = HOSTS[name]
    found = regard.sites(model, x, host.at)
    assert len(found) >= 1
    assert {site.layout for site in found} == {host.layout}
    everything = regard.sites(model, x)
    assert len(everything) > 20
    assert all(site.calls >= 1 and site.channels in site.shape for site in everything)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_nothing_changes_at_plugging_and_nothing_is_left_after(
    model, name, x, mechanism, call, traces, disturbed
):
    before, own = traces(model), copy.deepcopy(model.state_dict())
    with torch.no_grad():
        plain = call(model, x)
        handle = plug(model, name, mechanism)
        assert handle.drift <= 1e-6
        assert (call(model, x) - plain).abs().max() <= 1e-6
        assert [k for k in model.state_dict() if "regard." not in k] == list(own)
        assert not any(model.load_state_dict(own, strict=True))
        disturbed(handle)
        assert not torch.equal(call(model, x), plain)
        with handle.disabled():
            assert torch.equal(call(model, x), plain)
        handle.remove()
        assert torch.equal(call(model, x), plain)
    assert traces(model) == before


@pytest.fixture
def plain():
    """The plain forms alone: kernels round otherwise with gradients than without."""
    with using("torch"):
        yield


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("mechanism", ["cbam", "multihead"])
def test_gradients_are_alive_also_when_checkpointed(model, name, x, mechanism, call, disturbed):
    handle = plug(model, name, mechanism)
    model.train()
    for module in model.modules():  # a second run must not drop something else
        module.training &= not type(module).__name__.startswith("Drop")
    call(model, x).square().sum().backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in handle.parameters())
    disturbed(handle)
    gradients = []
    for use_reentrant in (None, True, False):
        model.zero_grad()
        leaf = torch.ones((), requires_grad=True)  # a reentrant checkpoint needs one that asks
        output = (
            call(model, x)
            if use_reentrant is None
            else checkpoint(lambda _: call(model, x), leaf, use_reentrant=use_reentrant)
        )
        output.square().sum().backward()
        assert all(p.grad is not None for p in handle.parameters())
        gradients.append([None if p.grad is None else p.grad.clone() for p in model.parameters()])
    for reentrant in gradients[1:]:
        for one, other in zip(gradients[0], reentrant, strict=True):
            assert (one is None) == (other is None)
            assert one is None or torch.equal(one, other)


def test_copies_and_pickles_are_models_of_their_own(plugged, x, call):
    with torch.no_grad():
        gated = call(plugged, x)
        for other in (copy.deepcopy(plugged), pickle.loads(pickle.dumps(plugged))):
            assert torch.equal(call(other, x), gated)
            regard.unplug(other)
            assert not torch.equal(call(other, x), gated)
        assert torch.equal(call(plugged, x), gated)


def test_saving_and_loading_into_a_fresh_host(plugged, x, call, tmp_path):
    regard.save(plugged, tmp_path / "addon")
    fresh = copy.deepcopy(plugged)
    regard.unplug(fresh)
    regard.load(fresh, tmp_path / "addon")
    with torch.no_grad():
        assert torch.equal(call(fresh, x), call(plugged, x))


def arguments(x: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return ((), x) if isinstance(x, dict) else ((x,), {})


def test_compiles_as_one_graph(plugged, x, call):
    torch._dynamo.reset()
    compiled = torch.compile(plugged, backend="eager", fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(call(compiled, x), call(plugged, x))


def test_exports(plugged, x, call):
    args, kwargs = arguments(x)
    with torch.no_grad():
        program = torch.export.export(plugged, args, kwargs).module()
        torch.testing.assert_close(call(program, x), call(plugged, x))


@pytest.mark.parametrize("mechanism", ["se", "eca", "cbam", "multihead"])
def test_padding_moves_no_real_token_of_bert(mechanism, randomised, disturbed):
    model = randomised(copy.deepcopy(built("bert")))
    x = text()
    disturbed(plug(model, "bert", mechanism))
    ids = torch.cat([x["input_ids"], torch.zeros(2, 5, dtype=torch.long)], 1)
    keep = torch.cat([x["attention_mask"], torch.zeros(2, 5, dtype=torch.long)], 1)
    with torch.no_grad():
        real = model(**x).last_hidden_state
        padded = model(ids, attention_mask=keep).last_hidden_state[:, :7]
        seen = model(ids).last_hidden_state[:, :7]
    torch.testing.assert_close(padded, real, atol=1e-5, rtol=1e-5)
    assert (seen - real).abs().max() > 1e-2


@pytest.mark.parametrize("mechanism", ["se", "eca", "cbam", "multihead"])
@pytest.mark.parametrize("use_reentrant", [True, False])
def test_the_checkpointing_of_bert_itself_sees_the_mask(
    mechanism, use_reentrant, randomised, disturbed
):
    model = randomised(copy.deepcopy(built("bert"))).train()
    x = text()
    x["attention_mask"][:, 4:] = 0
    disturbed(plug(model, "bert", mechanism))
    gradients = []
    for checkpointed in (False, True):
        if checkpointed:
            model.gradient_checkpointing_enable({"use_reentrant": use_reentrant})
            model.enable_input_require_grads()
        model.zero_grad()
        model(**x).last_hidden_state[:, :4].square().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.usefixtures("plain")
def test_the_feature_extractor_of_torchvision_keeps_the_mechanisms(randomised, disturbed):
    extraction = pytest.importorskip("torchvision.models.feature_extraction")
    model, x = randomised(copy.deepcopy(built("resnet18"))), image(48)()
    disturbed(regard.plug(model, "cbam", ["layer2.0", "layer3.0.bn2"], example=x))
    nodes = {"layer2.0.relu_1": "inside", "layer3": "third", "fc": "logits"}
    extractor = extraction.create_feature_extractor(model, nodes)
    kept = {}
    model.layer3.register_forward_hook(lambda _m, _a, output: kept.update(third=output))
    with torch.no_grad():
        found, logits = extractor(x), model(x)
    assert torch.equal(found["third"], kept["third"])
    assert torch.equal(found["logits"], logits)
    with torch.no_grad():
        attended = model.layer2[0].regard.after(found["inside"])
        torch.testing.assert_close(model.layer3(attended), found["third"])


OTHERS = {
    "gpt2": ("GPT2Model", {"n_embd": 32, "n_layer": 1, "n_head": 4, "vocab_size": 50}, "h.*.mlp"),
    "distilbert": (
        "DistilBertModel",
        {"dim": 32, "n_layers": 1, "n_heads": 4, "hidden_dim": 64, "vocab_size": 50},
        "transformer.layer.*",
    ),
    "llama": (
        "LlamaModel",
        {
            "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4,
            "intermediate_size": 64, "vocab_size": 50, "num_key_value_heads": 2,
        },
        "layers.*.mlp",
    ),
    "t5": (
        "T5EncoderModel",
        {"d_model": 32, "d_ff": 64, "num_layers": 1, "num_heads": 4, "d_kv": 8, "vocab_size": 50},
        "encoder.block.*",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("mechanism", ["se", "multihead"])
def test_other_text_hosts(kind, mechanism, randomised, traces, call, disturbed):
    models = pytest.importorskip("transformers")
    name, options, at = OTHERS[kind]
    config = getattr(models, name.removesuffix("Model").removesuffix("Encoder") + "Config")
    model, x = randomised(getattr(models, name)(config(**options))), text()
    x["attention_mask"][1, 5:] = 0
    before = traces(model)
    with torch.no_grad():
        plain = call(model, x)
        handle = regard.plug(model, mechanism, at, example=x, mask="attention_mask")
        assert handle.drift <= 1e-6
        disturbed(handle)
        assert not torch.equal(call(model, x), plain)
        handle.remove()
        assert torch.equal(call(model, x), plain)
    assert traces(model) == before


@pytest.mark.parametrize(("at", "mechanism"), [("h.*.mlp", "multihead"), ("h.*", "self")])
@pytest.mark.parametrize("causal", [False, True])
def test_a_causal_host_shows_no_future_if_asked(at, mechanism, causal, randomised, disturbed):
    models = pytest.importorskip("transformers")
    name, options, _ = OTHERS["gpt2"]
    model = randomised(getattr(models, name)(models.GPT2Config(**options, use_cache=False)))
    ids = torch.randint(50, (2, 7))
    disturbed(regard.plug(model, mechanism, at, example=ids, mask=False, causal=causal))
    with torch.no_grad():
        before = model(ids).last_hidden_state
        after = model(torch.cat([ids[:, :4], (ids[:, 4:] + 1) % 50], 1)).last_hidden_state
        padded = model(ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    assert torch.equal(before, padded)
    assert torch.allclose(before[:, :4], after[:, :4], atol=1e-6) == causal
    assert not torch.allclose(before[:, 4:], after[:, 4:], atol=1e-2)


def vision(kind: str) -> nn.Module:
    """A network of torchvision with fresh weights, by its path."""
    module: Any = pytest.importorskip("torchvision.models")
    *folders, name = kind.split(".")
    for folder in folders:
        module = getattr(module, folder)
    options: dict[str, Any] = {
        "googlenet": {"init_weights": False},
        "MaxVit": {
            "input_size": (64, 64), "stem_channels": 8, "partition_size": 4, "head_dim": 8,
            "block_channels": [24, 32], "block_layers": [1, 1], "stochastic_depth_prob": 0.0,
        },
    }.get(name, {})  # fmt: skip
    if folders and folders[0] != "video":
        options = {"weights": None, "weights_backbone": None}
    if kind.startswith("detection"):
        options["box_score_thresh"] = 0.0
    return getattr(module, name)(**options)


@pytest.mark.parametrize(
    ("kind", "at"),
    [
        ("densenet121", "features.transition*"),
        ("googlenet", "inception4[a-d]"),
        ("regnet_y_400mf", "trunk_output.*"),
        ("shufflenet_v2_x0_5", "stage*.*"),
        ("squeezenet1_1", "features.1*"),
        ("mobilenet_v2", "features.1*"),
        ("MaxVit", "blocks.0.layers.0.layers.*"),
        ("swin_v2_t", "features.1.*"),
        ("video.r3d_18", "layer*.*"),
        ("segmentation.lraspp_mobilenet_v3_large", "backbone.1*"),
        ("detection.fasterrcnn_mobilenet_v3_large_320_fpn", "backbone.body.1*"),
    ],
)
def test_other_vision_hosts(kind, at, randomised, traces, call, disturbed):
    torch.manual_seed(0)
    model, x = randomised(vision(kind)), torch.rand(2, 3, 64, 64)
    example: Any = x
    if kind.startswith("video"):
        example = torch.rand(1, 3, 2, 32, 32)
    elif kind.startswith("detection"):
        example = ([x[0]],)
    with torch.no_grad():
        plain, before = call(model, example), traces(model)
        handle = regard.plug(model, "se", at, example=example)
        assert handle.drift <= 1e-6
        assert all("HW" in a.layout for a in handle.attachments().values())
        disturbed(handle)
        assert not torch.equal(call(model, example), plain)
        handle.remove()
        assert torch.equal(call(model, example), plain)
    assert traces(model) == before


FULL = [name for name, host in HOSTS.items() if host.full is not None]


@pytest.mark.slow
@pytest.mark.parametrize("full", FULL)
def test_at_full_depth(full, randomised, traces, call, disturbed):
    """Compared in double precision: at this depth random weights make a rounding 10 %."""
    host = HOSTS[full]
    model, x = randomised(host.full()), host.example()
    before, own = traces(model), copy.deepcopy(model.state_dict())
    with torch.no_grad():
        plain = call(model, x)
        handle = plug(model, full, "cbam")
        assert handle.drift <= 1e-6
        assert not any(model.load_state_dict(own, strict=True))
        disturbed(handle)
        wide, wide_x = copy.deepcopy(model).double(), x.double()
        gated = call(wide, wide_x)
        torch._dynamo.reset()
        compiled = torch.compile(copy.deepcopy(wide), backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(call(compiled, wide_x), gated)
        program = torch.export.export(wide, *arguments(wide_x)).module()
        torch.testing.assert_close(call(program, wide_x), gated)
        handle.remove()
        assert torch.equal(call(model, x), plain)
    assert traces(model) == before


@pytest.mark.slow
@pytest.mark.parametrize("mechanism", ["cbam", "multihead"])
def test_inductor(mechanism, model, name, x, call, disturbed):
    """In double precision: the scores of 1e3 that random weights give saturate a softmax."""
    disturbed(plug(model, name, mechanism))
    model, x = model.double(), x if isinstance(x, dict) else x.double()
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(call(compiled, x), call(model, x))
