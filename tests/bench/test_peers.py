import sys

import pytest
import torch

from regard.bench.peers import _MODULES, timm_module, timm_network
from regard.catalogue import names
from regard.errors import RegardError


@pytest.mark.parametrize("name", sorted(set(_MODULES) & set(names())))
def test_timm_has_a_module_of_the_same_shape(name):
    pytest.importorskip("timm")
    if name == "ge":
        # timm's GatherExcite gives its ConvMlp an argument twice and raises a TypeError.
        with pytest.raises(RegardError, match="cannot be built"):
            timm_module(name, 32)
        return
    x = torch.randn(2, 32, 32) if name == "multihead" else torch.randn(2, 32, 5, 5)
    assert timm_module(name, 32)(x).shape == x.shape


def test_where_timm_has_none_it_is_said():
    with pytest.raises(RegardError, match="timm has no additive"):
        timm_module("additive", 32)


@pytest.mark.parametrize(
    "build", [lambda: timm_module("se", 32), lambda: timm_network("timm:resnet18", "se", 2)]
)
def test_timm_that_is_not_there_is_said(monkeypatch, build):
    for name in [n for n in sys.modules if n.partition(".")[0] == "timm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(RegardError, match="timm is not there"):
        build()


def test_a_module_that_refuses_the_size_is_said():
    pytest.importorskip("timm")
    with pytest.raises(RegardError, match="cannot be built"):
        timm_module("multihead", 30)  # eight heads


def test_networks_of_timm_have_its_own_attention():
    pytest.importorskip("timm")
    model = timm_network("timm:resnet18", "eca", 3)
    assert any(type(module).__name__ == "EcaModule" for module in model.modules())
    with pytest.raises(RegardError, match="timm has no small"):
        timm_network("small", "eca", 3)
    with pytest.raises(RegardError, match="timm has no vit_tiny"):
        timm_network("timm:vit_tiny_patch16_224", "eca", 3)
