"""Each refusal says what was asked, what came and what would work, and leaves the model alone."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import nn

import regard
from regard.errors import RegardError

X = torch.randn(2, 3, 8, 8)


class Residual(nn.Module):
    """A block with every kind of child that cannot be a site."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.parts = nn.ModuleList([nn.BatchNorm2d(8), nn.ReLU()])
        self.empty = nn.Sequential()
        self.unused = nn.Conv2d(8, 8, 1)
        self.shared = nn.ReLU()
        self.head = nn.Sequential(nn.Conv2d(8, 4, 1), self.shared)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        x = self.shared(self.empty(self.conv(x)))
        for part in self.parts:
            x = part(x)
        return self.fc(self.head(x).mean((2, 3)))


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ("parts", "is a ModuleList, a container .* plug at one of its children: 'parts.0', "),
        ("empty", "site 'empty' is an empty Sequential; plug at what comes before it"),
        ("unused", r"'unused' \(Conv2d\) was never called by Residual .* plug at a module around"),
        ("shared", r"called 2 times with different channels \(\[2, 8, 8, 8\] and \[2, 4, 8, 8\]\)"),
        ("head", "stands for its child 'head.1', which is also 'shared': a mechanism would run at"),
        ("fc", r"'fc' gives shape \[2, 2\]: attention needs channels and at least one axis"),
        ("cnv", "at='cnv' matches no module; nearest: conv"),
        (["conv", "unused"], "'unused'"),
    ],
)
def test_modules_that_are_no_sites(at, message, traces):
    model = Residual()
    before, state = traces(model), torch.get_rng_state()
    with pytest.raises(RegardError, match=message):
        regard.plug(model, "se", at, example=X)
    assert traces(model) == before
    assert torch.equal(torch.get_rng_state(), state)


class OwnForward(nn.Sequential):
    """As a block of DenseNet: it runs whatever children it has."""

    def forward(self, x):
        for layer in self:
            x = torch.cat([x, layer(x)], 1)
        return x


def test_a_container_with_a_forward_of_its_own_is_refused():
    model = nn.Sequential(OwnForward(nn.Conv2d(3, 3, 1)), nn.ReLU())
    with pytest.raises(RegardError, match=r"'0' is a OwnForward, a container .*children: '0.0'"):
        regard.plug(model, "se", "0", example=X)


def test_a_sequential_stands_for_its_last_or_first_child():
    model = nn.Sequential(nn.Sequential(nn.Conv2d(3, 8, 1), nn.Sequential(nn.BatchNorm2d(8))))
    assert regard.plug(model, "se", "0", example=X).places == (("0.1.0", "after"),)
    assert regard.plug(model, "eca", "0", before=True, example=X).places == (("0.0", "before"),)


def test_two_names_of_one_sequential_are_one_site():
    model = nn.Module()
    model.stem = nn.Sequential(nn.Conv2d(3, 8, 1))
    model.alias = model.stem
    assert regard.plug(model, "se", ["stem", "alias"]).places == (("stem.0", "after"),)


@pytest.mark.parametrize("name", ["nn.MultiheadAttention", "fast path"])
def test_projections_that_are_used_without_a_call(name):
    layer = nn.TransformerEncoderLayer(8, 2, batch_first=True)
    with pytest.raises(RegardError, match="was never called by MultiheadAttention"):
        regard.plug(layer.eval(), "se", "self_attn.out_proj", example=torch.randn(2, 5, 8))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)

    def forward(self, x):
        return self.conv(x)


def compiled_in_place() -> nn.Module:
    model = Net()
    model.compile(backend="eager")
    return model


def compiled_forward() -> nn.Module:
    model = Net()
    model.forward = torch.compile(model.forward, backend="eager")
    return model


class FSDPModule:
    """Stands for the class that fully_shard() adds to a module's bases."""


class Sharded(FSDPModule, Net):
    pass


@pytest.mark.parametrize(
    ("wrap", "name"),
    [
        (lambda: torch.compile(Net(), backend="eager"), "OptimizedModule"),
        (compiled_in_place, "compiled in place"),
        (compiled_forward, "compiled in place"),
        (lambda: nn.DataParallel(Net()), "DataParallel"),
        (lambda: torch.jit.script(Net()), "ScriptModule"),
        (Sharded, "FSDPModule"),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_and_wrapped_models_are_refused(wrap, name, inside):
    model = wrap()
    if inside:
        model = nn.Sequential(OrderedDict(net=model))
    message = f"is {name} already: plug first, then compile, wrap or build the optimizer"
    with pytest.raises(RegardError, match=message):
        regard.plug(model, "se", "**.conv", example=X)
    if inside:
        assert message in regard.sites(model, X).refused["net"]
    else:
        with pytest.raises(RegardError, match=message):
            regard.sites(model, X)


class YoloConv(nn.Module):
    """A convolution whose normalisation fuse() folds in and deletes."""

    def __init__(self, inside, outside):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(inside, outside, 1, bias=False), nn.BatchNorm2d(outside)
        self.act = nn.SiLU()

    def forward(self, x):
        return self.act(self.bn(self.conv(x)))

    def forward_fuse(self, x):
        return self.act(self.conv(x))


class Yolo(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(YoloConv(3, 8), YoloConv(8, 8))
        self.head = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        return self.head(self.model(x))

    def fuse(self):
        with torch.no_grad():
            for block in self.model:
                scale = block.bn.weight / (block.bn.running_var + block.bn.eps).sqrt()
                fused = nn.Conv2d(block.conv.in_channels, block.conv.out_channels, 1)
                fused.weight.copy_(block.conv.weight * scale[:, None, None, None])
                fused.bias.copy_(block.bn.bias - block.bn.running_mean * scale)
                block.conv = fused
                del block.bn
                block.forward = block.forward_fuse
        return self


@pytest.mark.parametrize("at", ["model.*.bn", "model.0.conv"])
def test_layers_that_their_owner_fuses_are_refused(at):
    with pytest.raises(RegardError, match=r"fused away by YoloConv.forward_fuse\(\).*'model.0'"):
        regard.plug(Yolo(), "se", at, example=X)


@pytest.mark.parametrize("at", ["model.*", "model.*.act"])
def test_the_owner_suggested_survives_fusing(at, randomised, disturbed):
    model = randomised(Yolo())
    disturbed(regard.plug(model, "cbam", at, example=X))
    gated = model(X)
    torch.testing.assert_close(model.fuse()(X), gated)


def test_layers_of_a_model_that_fuses_others_are_sites():
    model = nn.Sequential(OrderedDict(yolo=Yolo()))
    assert len(regard.plug(model, "se", "yolo.model.1", example=X)) == 1
    # Its own child may be fused; a grandchild is up to the child.
    with pytest.raises(RegardError, match=r"fused away by Yolo.fuse\(\).*plug at 'yolo' instead"):
        regard.plug(model, "se", "yolo.head", example=X)


class RepVgg(nn.Module):
    """Branches that switch_to_deploy() merges and deletes."""

    class Branch(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

        def forward(self, x):
            return self.bn(self.conv(x))

    def __init__(self):
        super().__init__()
        self.dense = nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 3, 1), bn=nn.BatchNorm2d(3)))
        self.branches = nn.ModuleList([self.Branch()])
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(self.dense(x) + self.branches[0](x))

    def switch_to_deploy(self):
        raise NotImplementedError


@pytest.mark.parametrize("at", ["0.dense", "0.dense.conv", "0.branches.0.bn", "**.bn"])
def test_branches_that_are_merged_later_are_refused(at):
    model = nn.Sequential(RepVgg())
    with pytest.raises(RegardError, match=r"RepVgg.switch_to_deploy\(\), and .* plug at '0'"):
        regard.plug(model, "se", at, example=X)
    assert len(regard.plug(model, "se", ["0", "0.act"], example=X)) == 2


def test_a_container_that_fuses_itself_is_no_help():
    class ConvNorm(nn.Sequential):
        def fuse(self):
            raise NotImplementedError

    model = nn.Sequential(ConvNorm(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)), nn.ReLU())
    with pytest.raises(RegardError, match=r"ConvNorm.fuse.*plug at a module around or after"):
        regard.plug(model, "se", "0", example=X)


def test_an_occupied_side_names_what_is_there():
    model = Net()
    regard.plug(model, "squeeze_excitation", "conv")
    with pytest.raises(RegardError, match="'conv' carries 'se' on this side already; remove it"):
        regard.plug(model, "eca", "conv")
    assert len(regard.plug(model, "eca", "conv", before=True)) == 1


@pytest.mark.parametrize("own", [nn.ReLU(), 3])
def test_a_host_that_uses_our_name_is_refused(own, traces):
    model = Net()
    model.conv.regard = own
    before = traces(model)
    with pytest.raises(RegardError, match="'conv' has an attribute 'regard' of its own"):
        regard.plug(model, "se", "conv")
    assert traces(model) == before


@pytest.mark.parametrize(
    ("output", "shown"),
    [(lambda x: x.long(), "torch.int64"), (lambda x: ((x,),), "no tensor"), (str, "no tensor")],
)
def test_sites_without_a_floating_point_tensor(output, shown):
    class Odd(nn.Module):
        def forward(self, x):
            return output(x)

    with pytest.raises(RegardError, match=rf"'0' \(Odd\) shows {shown}, and attention needs"):
        regard.plug(nn.Sequential(Odd()), "se", "0", example=X)


class Text(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.layer = nn.Embedding(9, 8), nn.Linear(8, 8)

    def forward(self, ids, attention_mask=None):
        return self.layer(self.embed(ids))


IDS = torch.ones(2, 5).long()


def test_a_text_host_needs_its_mask_named():
    with pytest.raises(RegardError, match=r"Text takes attention_mask.*say mask='attention_mask'"):
        regard.plug(Text(), "se", "layer", example=IDS)
    with pytest.raises(RegardError, match="say mask='attention_mask'"):
        regard.plug(Text(), "se", "layer", example=IDS, mask=True)
    with pytest.raises(RegardError, match="no such argument; nearest: attention_mask"):
        regard.plug(Text(), "se", "layer", example=IDS, mask="attention_msk")
    assert len(regard.plug(Text(), "se", "layer", example=IDS, mask=False)) == 1


def test_a_mechanism_without_a_mask_is_refused_where_one_is_needed():
    with pytest.raises(RegardError, match=r"factory takes no mask, .*'layer'; say mask=False"):
        regard.plug(
            Text(), lambda c, _: nn.Linear(c, c), "layer", example=IDS, mask="attention_mask"
        )


def test_the_mask_is_found_in_the_example_of_a_host_that_passes_everything_on():
    class Wrapper(nn.Module):
        def __init__(self):
            super().__init__()
            self.text = Text()

        def forward(self, **inputs):
            return self.text(**inputs)

    example = {"ids": IDS, "attention_mask": torch.ones(2, 5)}
    with pytest.raises(RegardError, match="say mask='attention_mask'"):
        regard.plug(Wrapper(), "se", "text.layer", example=example)
    model = Wrapper()
    regard.plug(model, "se", "text.layer", example=example, mask="attention_mask")


def test_a_padding_mask_goes_before_a_mask_of_pairs():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2), 1)
    with pytest.raises(RegardError, match=r"takes src_key_padding_mask, .*='src_key_padding_mask'"):
        regard.plug(encoder, "se", "layers.0", example=torch.randn(5, 2, 8))


def test_images_need_no_mask_even_where_the_host_takes_one():
    class Vision(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch, self.layer = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 8)

        def forward(self, pixels, attention_mask=None):
            return self.layer(self.patch(pixels).flatten(2).transpose(1, 2))

    assert len(regard.plug(Vision(), "se", "layer", example=X)) == 1


@pytest.mark.parametrize(
    ("mechanism", "options", "message"),
    [
        ("cmba", {}, "no mechanism is called 'cmba'; nearest: cbam"),
        ("se", {"reducton": 4}, "se has no option 'reducton'; nearest: reduction"),
        ("multihead", {"heads": 3}, "3 heads do not divide a width of 8"),
        ("se", {"device": "cpu"}, "device is no option of plug"),
        (lambda c, n: nn.Identity(), {"reduction": 2}, "a factory takes no options, but reduction"),
        (lambda c, n: None, {}, "the factory gave a NoneType for site 'conv'"),
        (nn.Identity(), {}, "mechanism is a Identity; it can be a name such as 'se'"),
        (7, {}, "mechanism is a int"),
    ],
)
def test_mechanisms_that_cannot_be_built(mechanism, options, message, traces):
    model = Net()
    before = traces(model)
    with pytest.raises(RegardError, match=message):
        regard.plug(model, mechanism, "conv", example=X, **options)
    assert traces(model) == before


def test_a_map_of_one_dimension_is_refused_by_what_needs_two():
    model = nn.Sequential(nn.Conv1d(3, 8, 1))
    with pytest.raises(RegardError, match="needs a map of 2 spatial dimensions; site '0' is NCL"):
        regard.plug(model, "spatial_transformer", "0", before=False)


def test_an_example_that_does_not_run_gives_the_models_own_message(traces):
    model = Net()
    before = traces(model)
    with pytest.raises(RegardError, match=r"Net cannot be run on the example: RuntimeError: .*5"):
        regard.plug(model, "se", "conv", example=torch.randn(1, 5, 4, 4))
    assert traces(model) == before


def test_without_an_example_the_type_must_tell():
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU())
    with pytest.raises(RegardError, match=r"'1' \(ReLU\) does not tell its layout: give an exampl"):
        regard.plug(model, "se", "1")


@pytest.mark.parametrize(
    ("mechanism", "message"),
    [
        ("aff", r"aff cannot be plugged: it fuses two maps .*regard.get\('aff', size\)\(x, y\)"),
        (
            "attention_gate",
            r"call it where they meet, regard.get\('attention_gate', size\)\(x, y\)",
        ),
        (
            "latent_pooling",
            r"before the classifier, regard.get\('latent_pooling', size\)\(tokens\)",
        ),
        ("deform_conv", r"set it where that is, layer.conv = regard.get\('deform_conv', size\)"),
        ("sinusoidal", r"on the embedded tokens, regard.get\('sinusoidal', size\)\(tokens\)"),
        ("learned", r"on the embedded tokens, regard.get\('learned', size\)\(tokens\)"),
        ("rotary", r"attend\(turn\(query\), turn\(key\), value\) .*regard.get\('rotary', size\)"),
        ("alibi", r"attend\(query, key, value, bias=.*regard.get\('alibi', heads\)"),
        ("t5_bias", r"attend\(query, key, value, bias=.*regard.get\('t5_bias', heads\)"),
    ],
)
@pytest.mark.parametrize("start", ["identity", "paper"])
def test_a_kind_that_no_site_can_carry_says_where_it_goes(mechanism, message, start, traces):
    model = Net()
    before = traces(model)
    with pytest.raises(RegardError, match=message):
        regard.plug(model, mechanism, "conv", example=X, start=start)
    assert traces(model) == before
