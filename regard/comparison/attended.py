"""What mechanisms attended to on a few test images, kept in a trial's folder for the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from ..data import Images
from ..maps import Map, coverage, record
from ..tasks import ImageTask, Task, TextTask
from ..training import checkpoint
from .spec import MAPS

SHOWN = 5
HEADS = 4
MOST_TOKENS = 1024
PLUGGED = ".regard."  # between a site's name and what it carries


def keep_maps(model: nn.Module, task: Task, folder: Path) -> list[str]:
    """Keep what a network attended to on a few test items; notes on what looks wrong."""
    if isinstance(task, ImageTask):
        return _keep_images(model, task, folder)
    if isinstance(task, TextTask):
        _keep_texts(model, task, folder)
    return []


def _keep_texts(model: nn.Module, task: TextTask[Any, Any], folder: Path) -> None:
    """Keep what a network attended with on a few test texts, with the tokens beside it."""
    kept, texts = {}, []
    for number, row in enumerate(task.shown()):
        found = task.attended(model, row)
        texts.append({"rows": found.rows, "columns": found.columns, "caption": found.caption})
        for place, weights in found.weights.items():
            kept[f"{number}/{place}"] = weights[:HEADS].contiguous()
    if kept:
        checkpoint.write_whole(folder / MAPS, to_bytes(kept, {"texts": json.dumps(texts)}))


def _keep_images(model: nn.Module, task: ImageTask, folder: Path) -> list[str]:
    """Keep what the mechanisms attended to on a few test images; notes on what looks wrong."""
    if all(PLUGGED not in f".{name}." for name, _ in model.named_modules()):
        return []
    images = task.data.test.images
    chosen = shown_images(task.data)
    found = _maps(model, task.normalised(images[chosen]))
    kept = {f"{i}/{m.kind}/{m.site}": _small(m) for i, m in enumerate(found)}
    frames = {k: m.frame for k, m in zip(kept, found, strict=True) if m.frame}
    header = {"frames": json.dumps(frames), "images": json.dumps(chosen)}
    checkpoint.write_whole(folder / MAPS, to_bytes(kept, header))
    if any(m.kind == "theta" for m in found):
        return _warnings(_maps(model, task.normalised(images[:256])))
    return []


def _maps(model: nn.Module, x: Tensor) -> list[Map]:
    """What was attended to by what is plugged, each under its site's name."""
    model.eval()
    with torch.no_grad(), record(model) as found:
        model(x)
    places = [(m, f".{m.site}".rpartition(PLUGGED)) for m in found]
    return [
        Map(site.removeprefix("."), m.kind, m.values, m.frame)
        for m, (site, carried, _) in places
        if carried
    ]


def shown_images(images: Images) -> list[int]:
    """Indices of the first test image of each class, at most five of them."""
    labels = images.test.labels
    first = [int((labels == c).argmax()) for c in range(len(images.classes)) if (labels == c).any()]
    return first[:SHOWN]


def _small(found: Map) -> Tensor:
    """A map in float32; of weights over many tokens only the mean over heads and queries."""
    values = found.values.float().contiguous()
    if found.kind == "weights" and values.shape[-1] > 64:
        values = values.flatten(1, -2).mean(1)[:, :MOST_TOKENS].contiguous()
    return values


def _warnings(found: list[Map]) -> list[str]:
    """Say so if a localiser looks at (almost) nothing on the test images."""
    notes = []
    for m in found:
        if m.kind == "theta" and m.frame is not None:
            area, inside = coverage(m.values, m.frame)
            if not (area >= 0.02 and inside >= 0.2):
                notes.append(
                    f"the localiser at {m.site} has collapsed: it spans {area:.1%} of the frame, "
                    f"and {inside:.0%} of its samples lie inside"
                )
    return notes
