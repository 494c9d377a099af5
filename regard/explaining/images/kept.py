"""A network of one's own, as ``regard train`` keeps it, looking at a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from ...comparison.trained import Trained
from ...data.tree import shown
from ...errors import RegardError
from ...page import Markup
from ...surgery import plugged
from ...tasks.image_codec import ImageCodec
from ..wording import said
from .looks import Look, answer
from .network import GATES
from .numbers import KINDS
from .reading import plain_reason, read_large
from .watching import Pass, watch

Passes = Mapping[str, Pass]


def look_kept(folder: str | Path, path: Path, *, run_code: bool = False) -> Look:
    """A kept network's one look at a picture, read as the network takes it.

    Args:
        folder: that ``regard train`` kept it in.
        path: of the picture.
        run_code: as of :meth:`regard.comparison.Trained.load`.

    Raises:
        RegardError: for a folder without a network, one that is for texts or has none of the
            mechanisms that a page on a picture explains, or a file that gives no image.
    """
    trained, name = Trained.load(folder, run_code=run_code), shown(folder)
    codec = trained.codec
    if not isinstance(codec, ImageCodec):
        raise RegardError(f"{name} holds a network for {codec.kind}; give it a text")
    large = read_large(path)
    with plain_reason():
        x = codec.normalised(codec.read(str(path))[None])
    seen, scores = watch(trained.model, x, KINDS)
    if not seen:
        raise _none_of_these(trained.model, name)
    passes = _on_the_same_maps(seen)
    told = [
        said("seen-other", channels=x.shape[1], height=x.shape[2], width=x.shape[3]),
        answer(scores, tuple((label, label) for label in codec.classes)),
    ]
    origin = _story(trained, shown(Path(folder).name), seen, passes)
    return Look(
        path.name, large, x, _levels(codec), passes, told, origin, moved=_is_moved(passes, x)
    )


def _none_of_these(model: nn.Module, folder: str) -> RegardError:
    others = sorted({row[1] for row in plugged(model).rows()})
    has = f"has {', '.join(others)} plugged in, and" if others else "has nothing plugged in;"
    return RegardError(
        f"{folder}: this network {has} a page on a picture explains {', '.join(KINDS)}\n"
        "one such as `regard train DATA --with se --out FOLDER` keeps would work"
    )


def _on_the_same_maps(seen: Passes) -> Passes:
    """A page follows one set of maps through its gates: those that the first gate weighs."""
    gates = [one.given for name, one in seen.items() if name in GATES]
    return {
        name: one
        for name, one in seen.items()
        if name not in GATES or torch.equal(one.given, gates[0])
    }


def _is_moved(passes: Passes, x: torch.Tensor) -> bool:
    """Whether a Spatial Transformer stands before everything else."""
    moving = passes.get("spatial_transformer")
    return moving is not None and torch.equal(moving.given, x[0])


def _levels(codec: ImageCodec) -> list[list[float]]:
    """What black and full brightness have become, for each channel that the network takes."""
    pairs = [[(0 - m) / s, (1 - m) / s] for m, s in zip(codec.mean, codec.std, strict=True)]
    return pairs if len(pairs) == codec.channels else pairs * codec.channels


def _story(trained: Trained, folder: str, seen: Passes, passes: Passes) -> list[Markup]:
    """Which mechanisms, where, what the network was trained on, and how well it does."""
    places = {module: name for name, module in trained.model.named_modules()}
    sites = {module: site for site, module in plugged(trained.model).mechanisms().items()}

    def named(kinds: list[str]) -> str:
        modules = {kind: seen[kind].module for kind in kinds}
        return ", ".join(f"{kind} ({sites.get(m, places[m])})" for kind, m in modules.items())

    about = trained.about
    told = said(
        "trained-other", mechanisms=named([*passes]), folder=folder,
        data=shown(str(about["data"]["name"])), epochs=len(about["epochs"]),
        measures=", ".join(f"{name} {value:.1%}" for name, value in about["measures"].items()),
    )  # fmt: skip
    left = [kind for kind in seen if kind not in passes]
    return [told, said("not-shown", mechanisms=named(left))] if left else [told]
