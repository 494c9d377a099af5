import sys

import pytest
import torch
from torch import nn

from regard.errors import RegardError
from regard.networks import SmallResNet, build_host, check_host, input_channels, input_size
from regard.networks.hosts import renew_head

timm = pytest.importorskip("timm")
models = pytest.importorskip("torchvision").models


@pytest.mark.parametrize(
    ("name", "channels", "size"),
    [
        ("small", 1, 13),
        ("timm:resnet10t", 2, 33),
        ("timm:vit_tiny_patch16_224", 1, 32),
        ("torchvision:mobilenet_v3_small", 3, 32),
        ("torchvision:squeezenet1_1", 3, 32),
    ],
)
def test_networks_fit_the_data(name, channels, size):
    model = build_host(name, classes=4, channels=channels, size=size)
    check_host(model, 4, torch.randn(2, channels, size, size))


def test_small_takes_a_width():
    model = build_host("small", classes=4, channels=2, size=8, width=2)
    assert isinstance(model, SmallResNet)
    assert model.head.weight.shape == (4, 128)


@pytest.mark.parametrize(("source", "name"), [("timm", "resnet10t"), ("torchvision", "resnet18")])
def test_seed_gives_the_weights_of_the_library(source, name):
    torch.manual_seed(3)
    ours = build_host(f"{source}:{name}", classes=4, channels=3, size=32).state_dict()
    torch.manual_seed(3)
    create = timm.create_model if source == "timm" else models.get_model
    theirs = create(name, num_classes=4).state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_training_output_of_googlenet_is_one_tensor():
    model = build_host("torchvision:googlenet", classes=4, channels=3, size=32)
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 4)


def test_channels_that_a_network_takes():
    assert input_channels("small") is None
    assert input_channels("timm:resnet18") is None
    assert input_channels("torchvision:resnet18") == 3


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("small", None),
        ("timm:vit_tiny_patch16_224", 224),
        ("timm:vit_tiny_patch16_384", 384),
        ("torchvision:resnet18", 224),
        ("torchvision:inception_v3", 299),
    ],
)
def test_size_that_a_network_expects(name, size):
    assert input_size(name) == size


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet18", r"no network is called 'resnet18'; what works: small, timm:NAME"),
        ("timm:", r"no network is called 'timm:'"),
        (":net", r"no network is called ':net'"),
        ("my.module:not-a-name", r"no network is called"),
        ("timm:resnet_18", r"timm has no model 'resnet_18'; nearest: .*resnet18"),
        ("torchvision:resnet19", r"torchvision has no classifier 'resnet19'; nearest: .*resnet18"),
        ("torchvision:fcn_resnet50", r"torchvision has no classifier 'fcn_resnet50'"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(RegardError, match=message):
        build_host(name, classes=2, channels=3, size=32)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("timm:resnet18", {"width": 2.0}, "only 'small' can"),
        (
            "small",
            {"pretrained": True},
            "no published weights .*--pretrained, in Python pretrained=True",
        ),
        ("my.module:net", {"pretrained": True}, "no published weights"),
        ("torchvision:resnet18", {"channels": 1}, "3 channels, not 1"),
        (
            "torchvision:vit_b_16",
            {"size": 9},
            "cannot be built with 2 classes, 3 channels and size 9",
        ),
    ],
)
def test_choices_that_a_network_does_not_have(name, options, message):
    with pytest.raises(RegardError, match=message):
        build_host(name, **{"classes": 2, "channels": 3, "size": 32, **options})


@pytest.mark.parametrize("package", ["timm", "torchvision"])
def test_missing_package_says_how_to_get_it(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RegardError, match=r"pip install 'regard\[vision\]'"):
        build_host(f"{package}:resnet18", classes=2, channels=3, size=32)


@pytest.mark.parametrize("source", ["timm", "torchvision"])
def test_weights_that_cannot_be_loaded_are_an_error_with_the_cause(source, monkeypatch):
    def offline(*args, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(timm, "create_model", offline)
    monkeypatch.setattr(models, "get_model", offline)
    with pytest.raises(RegardError, match="OSError: no route to host"):
        build_host(f"{source}:resnet18", classes=2, channels=3, size=32, pretrained=True)


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1"])
def test_published_weights_keep_all_but_the_last_layer(name, monkeypatch):
    published = models.get_model(name)
    state = {key: value.clone() for key, value in published.state_dict().items()}
    asked = {}

    def load(name, **options):
        asked.update(options)
        return published

    monkeypatch.setattr(models, "get_model", load)
    model = build_host(f"torchvision:{name}", classes=4, channels=3, size=64, pretrained=True)
    assert asked == {"weights": "DEFAULT"}
    changed = {
        k
        for k, v in model.state_dict().items()
        if state[k].shape != v.shape or (state[k] != v).any()
    }
    assert len(changed) == 2
    check_host(model, 4, torch.randn(2, 3, 64, 64))


def test_head_with_the_right_number_of_outputs_stays():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 4))
    head = model[1]
    assert renew_head(model, 4)[1] is head
    assert renew_head(model, 5)[1].out_features == 5


class Returns(nn.Module):
    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, x):
        if isinstance(self.output, Exception):
            raise self.output
        return self.output


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (
            torch.zeros(3, 5),
            r"Returns does not fit the 4 classes: .* float32 \[3, 5\]; needed .*3, 4",
        ),
        (torch.zeros(3, 4, 1), r"float32 \[3, 4, 1\]"),
        (torch.zeros(4), r"float32 \[4\]"),
        (torch.zeros(3, 4).long(), r"int64 \[3, 4\]"),
        ({"logits": torch.zeros(3, 4)}, "it returned dict"),
        (ValueError("odd size"), "Returns cannot be run .* ValueError: odd size"),
    ],
)
def test_output_that_does_not_fit_the_classes(output, message):
    with pytest.raises(RegardError, match=message):
        check_host(Returns(output), 4, torch.zeros(3, 2))


def test_check_takes_every_form_of_example_and_leaves_the_network():
    model = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2), nn.Linear(2, 4)).train()
    state, x = {k: v.clone() for k, v in model.state_dict().items()}, torch.randn(3, 2)
    before = torch.get_rng_state()
    for example in (x, (x,), [x], {"input": x}):
        check_host(model, 4, example)
    assert all(module.training for module in model.modules())
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
