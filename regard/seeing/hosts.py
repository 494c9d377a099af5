"""Networks by name, with a picture: as the command line asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..data import load_images
from ..errors import RegardError, cause
from ..networks import build_host, input_channels, input_size
from ..surgery import plug
from ..surgery.patterns import At
from .gates_by_class import ClassGates, class_gates
from .subject import Subject, normalised, picture_subject


@dataclass(frozen=True, slots=True)
class Host:
    """A network by its name, as :func:`regard.networks.build_host` takes it.

    Args:
        name: of the network.
        size, channels: of its pictures; default: what it was made for, else 32 and 3.
        classes: of the network; published weights have their own.
        pretrained: with published weights.
        weights: a ``.safetensors`` file with the whole state of the network.
        mechanism: plugged in before that, ``NAME@SITES``.
    """

    name: str
    size: int | None = None
    channels: int | None = None
    classes: int = 10
    pretrained: bool = False
    weights: str | None = None
    mechanism: str | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """A network, and the pictures it takes.

    Args:
        model: in eval mode.
        label: its name, and where its weights are from.
        side, channels: of the pictures.
        scale: mean and deviation by which they are normalised; None: see
            :func:`regard.seeing.picture_subject`.
    """

    model: nn.Module
    label: str
    side: int
    channels: int
    scale: tuple[tuple[float, ...], tuple[float, ...]] | None


def built(host: Host) -> Built:
    """Build a network.

    Raises:
        RegardError: for a network, weights or a mechanism that do not work.
    """
    side = host.size or input_size(host.name) or 32
    depth = host.channels or input_channels(host.name) or 3
    count = _published(host.name) if host.pretrained else host.classes
    with torch.random.fork_rng(devices=[]):  # random weights are the same ones each time
        torch.manual_seed(0)
        model = build_host(
            host.name, classes=count, channels=depth, size=side, pretrained=host.pretrained
        ).eval()
        if host.mechanism is not None:
            _plug(model, host.mechanism, torch.randn(2, depth, side, side))
    known = "published weights" if host.pretrained else "random weights"
    if host.weights is not None:
        _load(model, host.weights)
        known = Path(host.weights).name
    scale = _scale(model) if depth == 3 else None
    return Built(model, f"{host.name} ({known})", side, depth, scale)


def host_subject(host: Host, picture: str, target: int | None = None) -> Subject:
    """A network of a name and an image file.

    Args:
        host: the network.
        picture: the image file.
        target: the class explained.

    Raises:
        RegardError: for a network, an image, weights or a mechanism that do not work.
    """
    made = built(host)
    return picture_subject(
        made.model, made.label, picture, made.side, channels=made.channels, scale=made.scale,
        target=target,
    )  # fmt: skip


def host_gates(host: Host, folder: str, at: At = "**") -> tuple[str, ClassGates]:
    """The gates of a network on a folder of class folders, by class and depth, and its name.

    All images are used, those of train and of test.

    Raises:
        RegardError: for a network without channel gates, and as
            :func:`regard.data.load_images`.
    """
    made = built(host)
    data = load_images(folder, size=made.side)
    splits = data.splits().values()
    images = torch.from_numpy(np.concatenate([split.images for split in splits]))
    labels = torch.from_numpy(np.concatenate([split.labels for split in splits]))
    if images.shape[1] > made.channels:
        raise RegardError(
            f"{folder} has images in colour; {made.label} takes {made.channels} channel; "
            "--channels 3 works"
        )

    def prepare(part: Tensor) -> Tensor:
        return normalised(part.expand(-1, made.channels, -1, -1), made.scale)

    gates = class_gates(made.model, images, labels, data.classes, at, prepare=prepare)
    return made.label, gates


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
