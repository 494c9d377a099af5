"""The page on a picture for a network of the user's own, as ``regard train`` keeps it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from ...data.tree import shown
from ...errors import RegardError
from ...page import Page
from ...surgery import plugged
from ...tasks.image_codec import ImageCodec
from ..wording import said
from .numbers import KINDS
from .pages import Look, answer, write_page
from .reading import plain_reason, read_large
from .watching import Pass, watch


class Kept(Protocol):
    """A network with what goes with it."""

    @property
    def model(self) -> nn.Module:
        """The network, in eval mode."""

    @property
    def codec(self) -> Any:
        """What stands between image files and the network."""

    @property
    def about(self) -> Mapping[str, Any]:
        """``data``, ``measures``, ``epochs``."""


def explain_kept(kept: Kept, name: str, path: str | os.PathLike[str], language: str = "en") -> Page:
    """The page of a kept network's look at an image file.

    Args:
        kept: the network.
        name: of its folder.
        path: of the image.
        language: ``en`` or ``zh``.

    Raises:
        RegardError: a network that is not for images or has none of these mechanisms plugged in,
            maps too large for a page, or a file that gives no image.
    """
    return write_page(look_kept(kept, name, Path(os.path.expanduser(path))), language)


def look_kept(kept: Kept, name: str, path: Path) -> Look:
    """A kept network's one look at a picture."""
    codec = kept.codec
    if not isinstance(codec, ImageCodec):
        raise RegardError(f"{shown(name)} is for {codec.kind}, and {shown(path)} is an image")
    large = read_large(path)
    with plain_reason():
        x = codec.normalised(codec.read(str(path))[None])
    passes, scores = watch(kept.model, x, KINDS)
    if not passes:
        raise RegardError(
            f"{shown(name)} has none of {', '.join(KINDS)} plugged in; "
            "regard train DATA --with se --out FOLDER makes a network that has"
        )
    _, channels, height, width = x.shape
    classes = tuple((label, label) for label in codec.classes)
    told = [said("seen-other", channels=channels, height=height, width=width),
            answer(scores, classes)]  # fmt: skip
    moving = passes.get("spatial_transformer")
    moved = moving is not None and torch.equal(moving.given, x[0])
    levels = _levels(codec, channels)
    return Look(path.name, large, x, levels, passes, told, [_origin(kept, name, passes)], moved)


def _levels(codec: ImageCodec, channels: int) -> list[list[float]]:
    """What black and full brightness have become."""
    pairs = [[(0 - m) / s, (1 - m) / s] for m, s in zip(codec.mean, codec.std, strict=True)]
    return pairs if len(pairs) == channels else pairs * channels


def _origin(kept: Kept, name: str, passes: Mapping[str, Pass]) -> Any:
    """Which mechanisms, where, and what the network was trained on."""
    sites = {module: site for site, module in plugged(kept.model).mechanisms().items()}
    at = [f"{kind} ({sites[seen.module]})" for kind, seen in passes.items() if seen.module in sites]
    measures = [f"{key} {value:.1%}" for key, value in kept.about["measures"].items()]
    return said(
        "trained-other", mechanisms=", ".join(at or passes), folder=shown(name),
        data=shown(str(kept.about["data"]["name"])), epochs=len(kept.about["epochs"]),
        measures=", ".join(measures),
    )  # fmt: skip
