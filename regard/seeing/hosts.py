"""Networks by name, with a picture: as the command line asks for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from ..errors import RegardError, cause
from ..networks import build_host, input_channels, input_size
from ..surgery import plug
from .subject import Subject, picture_subject


def host_subject(
    name: str,
    picture: str,
    *,
    size: int | None = None,
    channels: int | None = None,
    classes: int = 10,
    pretrained: bool = False,
    weights: str | None = None,
    mechanism: str | None = None,
    target: int | None = None,
) -> Subject:
    """A network of a name (see :func:`regard.networks.build_host`) and an image file.

    Args:
        name: of the network.
        picture: the image file.
        size, channels: of the picture; default: what the network was made for, else 32 and 3.
        classes: of the network; published weights have their own.
        pretrained: with published weights.
        weights: a ``.safetensors`` file with the whole state of the network.
        mechanism: plugged in before that, ``NAME@SITES``.
        target: the class explained.

    Raises:
        RegardError: for a network, an image, weights or a mechanism that do not work.
    """
    side = size or input_size(name) or 32
    depth = channels or input_channels(name) or 3
    count = _published(name) if pretrained else classes
    with torch.random.fork_rng(devices=[]):  # random weights are the same ones each time
        torch.manual_seed(0)
        model = build_host(name, classes=count, channels=depth, size=side, pretrained=pretrained)
        model = model.eval()
        if mechanism is not None:
            _plug(model, mechanism, torch.randn(2, depth, side, side))
    known = "published weights" if pretrained else "random weights"
    if weights is not None:
        _load(model, weights)
        known = Path(weights).name
    scale = _scale(model) if depth == 3 else None
    label = f"{name} ({known})"
    return picture_subject(
        model, label, picture, side, channels=depth, scale=scale, target=target
    )  # fmt: skip


def _plug(model: nn.Module, mechanism: str, example: torch.Tensor) -> None:
    kind, _, sites = mechanism.partition("@")
    if not sites:
        raise RegardError(
            f"{mechanism}: where is it plugged? {mechanism}@SITES works, such as "
            f"{mechanism}@layer*; regard sites lists them"
        )
    plug(model, kind, sites, example=example, start="paper")


def _published(name: str) -> int:
    """Classes of the published weights: those of ImageNet, unless timm knows of others."""
    source, _, rest = name.partition(":")
    if source != "timm":
        return 1000
    from timm.models import get_pretrained_cfg

    known = get_pretrained_cfg(rest)
    return 1000 if known is None else int(known.num_classes)


def _scale(model: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """What timm says of the pictures a network was made for."""
    facts: Any = getattr(model, "pretrained_cfg", None)
    if not isinstance(facts, dict) or "mean" not in facts:
        return None
    return tuple(facts["mean"]), tuple(facts["std"])


def _load(model: nn.Module, path: str) -> None:
    try:
        model.load_state_dict(load_file(Path(path).expanduser()))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise RegardError(
            f"{path} gives no weights for {type(model).__name__}: {cause(error)}"
        ) from error
