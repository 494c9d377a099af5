"""Networks by name: our own, those of timm and torchvision, and a user's factory."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from ..cost.running import tensors
from ..errors import RegardError, cause, nearest
from ..surgery.observation import run
from .factories import call_factory, source_of, takes_channels
from .small import SmallResNet

FORMS = "small, timm:NAME, torchvision:NAME, package.module:factory, path/to/file.py:factory"


def build_host(
    name: str,
    *,
    classes: int,
    channels: int,
    size: int,
    width: float = 1.0,
    pretrained: bool = False,
) -> nn.Module:
    """The network of a name, with fresh weights drawn from PyTorch's random state.

    Args:
        name: ``small`` (:class:`SmallResNet`), ``timm:NAME``, ``torchvision:NAME``, or a function
            of the user's, ``package.module:factory`` or ``path/to/file.py:factory``; see
            :func:`regard.networks.factories.call_factory`.
        classes: number of outputs.
        channels: of the images; see :func:`input_channels` for what a network can take.
        size: side of the images in pixels. Networks that are built for one size are built for it.
        width: factor on the channels; only of ``small``.
        pretrained: load the published weights (they may be downloaded) and, where the number of
            classes differs, a fresh last layer; only of timm and torchvision.

    Raises:
        RegardError: for an unknown name, a missing package, a factory that fails, or a choice that
            this kind of network does not have.
    """
    source, rest = _parse(name)
    if source != "small" and width != 1:
        raise RegardError(f"network {name!r} cannot be widened to {width:g}; only 'small' can")
    if source in ("small", "factory") and pretrained:
        raise RegardError(
            f"network {name!r} has no published weights to start from (--pretrained, in Python "
            f"pretrained=True); timm:NAME and torchvision:NAME have some"
        )
    if source == "small":
        return SmallResNet(classes, channels, width)
    if source == "timm":
        return _build_timm(rest, classes, channels, size, pretrained)
    if (only := input_channels(name)) not in (None, channels):
        raise RegardError(
            f"network {name!r} takes images of {only} channels, not {channels}: repeat grey images "
            f"to RGB, or give a factory that takes in_channels"
        )
    if source == "torchvision":
        return _build_torchvision(rest, classes, size, pretrained)
    return call_factory(name, classes=classes, channels=channels, size=size)


def input_channels(name: str) -> int | None:
    """Channels that a network takes, None for any: 3 for torchvision and factories without choice.

    Raises:
        RegardError: for a name or a factory that is not found.
    """
    source, _ = _parse(name)
    if source == "torchvision":
        return 3
    return 3 if source == "factory" and not takes_channels(name) else None


def input_size(name: str) -> int | None:
    """Side in pixels of the images a network was made for; None for ``small`` and factories.

    timm: of the network's configuration; torchvision: of its published weights, 224 for most.

    Raises:
        RegardError: for an unknown name or a missing package.
    """
    source, rest = _parse(name)
    if source == "timm":
        configuration = _timm(rest).get_pretrained_cfg(rest)
        return None if configuration is None else int(configuration.input_size[-1])
    if source == "torchvision":
        weights = _torchvision(rest).models.get_model_weights(rest)
        return int(weights.DEFAULT.transforms.keywords.get("crop_size", 224))
    return None


def factory_file(name: str) -> Path | None:
    """The file that a user's factory is written in; None for networks of other kinds.

    Raises:
        RegardError: for a name or a module that is not found.
    """
    source, _ = _parse(name)
    return source_of(name) if source == "factory" else None


def check_host(model: nn.Module, classes: int, example: Any) -> None:
    """Run a network once, in eval mode without gradients, and check what it returns.

    Args:
        model: left in the modes and with the random state it had.
        classes: number of outputs that are wanted.
        example: what it is called with: a tensor, a tuple of arguments or a mapping of keywords;
            its first tensor tells the size of the batch.

    Raises:
        RegardError: if it fails, or returns something else than floats ``[batch, classes]``.
    """
    output = run(model, example)
    batch = next((t.shape[0] for t in tensors(example) if t.dim()), 1)
    right = isinstance(output, Tensor) and output.is_floating_point()
    if right and output.shape == (batch, classes):
        return
    came = type(output).__name__
    if isinstance(output, Tensor):
        came = f"{str(output.dtype).removeprefix('torch.')} {list(output.shape)}"
    raise RegardError(
        f"the output of {type(model).__name__} does not fit the {classes} classes: it returned "
        f"{came}; needed is a float tensor [{batch}, {classes}]"
    )


def _parse(name: str) -> tuple[str, str]:
    """``small``, ``timm``, ``torchvision`` or ``factory``, and the name there."""
    source, _, rest = name.partition(":")
    if name == "small":
        return "small", ""
    if source in ("timm", "torchvision") and rest:
        return source, rest
    place, _, attribute = name.rpartition(":")
    if place and attribute.isidentifier():
        return "factory", name
    raise RegardError(f"no network is called {name!r}; what works: {FORMS}")


def _build_timm(name: str, classes: int, channels: int, size: int, pretrained: bool) -> nn.Module:
    timm = _timm(name)
    options = {"num_classes": classes, "in_chans": channels, "pretrained": pretrained}
    try:
        try:
            model: nn.Module = timm.create_model(name, img_size=size, **options)
        except TypeError as error:
            if "img_size" not in str(error):
                raise
            model = timm.create_model(name, **options)  # built for any size
    except Exception as error:
        raise _failed(f"timm:{name}", error, classes, channels, size) from error
    return model


def _build_torchvision(name: str, classes: int, size: int, pretrained: bool) -> nn.Module:
    models = _torchvision(name).models
    model: Any
    try:
        if pretrained:
            model = renew_head(models.get_model(name, weights="DEFAULT"), classes)
        else:
            options = _torchvision_options(name, size)
            model = models.get_model(name, num_classes=classes, weights=None, **options)
    except Exception as error:
        raise _failed(f"torchvision:{name}", error, classes, 3, size) from error
    if getattr(model, "AuxLogits", None) is not None:  # comes with the weights of inception_v3
        model.aux_logits, model.AuxLogits = False, None
    return model


def _torchvision_options(name: str, size: int) -> dict[str, Any]:
    if name in ("googlenet", "inception_v3"):  # their training output would be several tensors
        return {"aux_logits": False, "init_weights": True}
    return {"image_size": size} if name.startswith("vit_") else {}


def renew_head(model: nn.Module, classes: int) -> nn.Module:
    """Put a fresh last layer, linear or 1×1, in place of one with another number of outputs."""
    heads = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    name, head = heads[-1]
    if isinstance(head, nn.Linear) and head.out_features != classes:
        model.set_submodule(name, nn.Linear(head.in_features, classes, head.bias is not None))
    elif isinstance(head, nn.Conv2d) and head.out_channels != classes:
        model.set_submodule(name, nn.Conv2d(head.in_channels, classes, 1))
    return model


def _failed(name: str, error: Exception, classes: int, channels: int, size: int) -> RegardError:
    return RegardError(
        f"network {name!r} cannot be built with {classes} classes, {channels} channels and "
        f"size {size}: {cause(error)}"
    )


def _timm(name: str) -> ModuleType:
    timm = _package("timm")
    if not timm.is_model(name) and ":" not in name:
        raise RegardError(f"timm has no model {name!r}{nearest(name, timm.list_models())}")
    return timm


def _torchvision(name: str) -> ModuleType:
    torchvision = _package("torchvision")
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise RegardError(f"torchvision has no classifier {name!r}{nearest(name, known)}")
    return torchvision


def _package(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:  # a torchvision of another torch fails with a RuntimeError
        raise RegardError(
            f"networks of {name} need it installed: {cause(error)}; pip install 'regard[vision]'"
        ) from error
