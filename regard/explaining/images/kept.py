"""The look of a network of the user's own, which ``regard train`` kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from ...comparison.trained import Trained
from ...data.tree import shown
from ...errors import RegardError
from ...page import Markup
from ...surgery import plugged
from ...tasks.image_codec import ImageCodec
from ..wording import said
from .looks import Look, answer
from .numbers import KINDS
from .reading import plain_reason, read_large
from .watching import Pass, watch


def look_kept(folder: str | Path, path: Path, *, run_code: bool = False) -> Look:
    """A kept network's one look at a picture, which it reads as it reads all.

    Args:
        folder: that ``regard train`` kept it in.
        path: of the image.
        run_code: as of :meth:`regard.comparison.Trained.load`.

    Raises:
        RegardError: for a folder without a network, one that is not for images or has none of
            these mechanisms, or a file that gives no image.
    """
    kept = Trained.load(folder, run_code=run_code)
    codec, name = kept.codec, shown(folder)
    if not isinstance(codec, ImageCodec):
        raise RegardError(f"{name} holds a network for {codec.kind}; give it a text")
    large = read_large(path)
    with plain_reason():
        x = codec.normalised(codec.read(str(path))[None])
    passes, scores = watch(kept.model, x, KINDS)
    if not passes:
        raise RegardError(
            f"{name}: this network has none of {', '.join(KINDS)} plugged in\n"
            "a page can be of one such as `regard train DATA --with se --out FOLDER` keeps"
        )
    _, channels, height, width = x.shape
    classes = tuple((label, label) for label in codec.classes)
    told = [said("seen-other", channels=channels, height=height, width=width),
            answer(scores, classes)]  # fmt: skip
    moving = passes.get("spatial_transformer")
    moved = moving is not None and torch.equal(moving.given, x[0])
    origin = [_origin(kept, name, passes)]
    return Look(path.name, large, x, _levels(codec, channels), passes, told, origin, moved)


def _levels(codec: ImageCodec, channels: int) -> list[list[float]]:
    """What black and full brightness have become."""
    pairs = [[(0 - m) / s, (1 - m) / s] for m, s in zip(codec.mean, codec.std, strict=True)]
    return pairs if len(pairs) == channels else pairs * channels


def _origin(kept: Trained, name: str, passes: Mapping[str, Pass]) -> Markup:
    """Which mechanisms, where, and what the network was trained on."""
    sites = {module: site for site, module in plugged(kept.model).mechanisms().items()}
    at = [f"{kind} ({sites.get(seen.module, 'inside')})" for kind, seen in passes.items()]
    measures = [f"{key} {value:.1%}" for key, value in kept.about["measures"].items()]
    return said(
        "trained-other", mechanisms=", ".join(at), folder=name,
        data=shown(str(kept.about["data"]["name"])), epochs=len(kept.about["epochs"]),
        measures=", ".join(measures),
    )  # fmt: skip
