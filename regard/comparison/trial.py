"""One trial: a network trained once, in a folder of its own, from its specification alone.

The folder's ``result.json`` is written last and whole; until then a run that was stopped goes on
from its last epoch. Everything in it is the same bit for bit, however often it was stopped; times
are kept apart in ``timing.json``.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from ..catalogue import card
from ..data import Images
from ..errors import RegardError
from ..maps import Map, coverage, record
from ..networks import build_host, check_host
from ..surgery import Plugged
from ..training import Budget, Feed, Run, checkpoint, train
from ..training.determinism import deterministic, seeded
from .arms import Arm
from .locking import alone
from .placebo import check_blind, make_placebo
from .spec import MAPS, METRICS, RESULT, TIMING, Spec, is_stale

SHOWN = 5
MOST_TOKENS = 1024
_PLUGGED = ".regard."  # between a site's name and what it carries

Epochs = Sequence[Mapping[str, float]]


def run_trial(folder: Path, on_epoch: Callable[[Epochs], None] | None = None) -> None:
    """Train what the folder's specification says, unless its result is there.

    Args:
        folder: a trial's folder, two levels below the comparison's.
        on_epoch: called after each epoch with all epochs done so far.

    Raises:
        RegardError: if the specification cannot be run, belongs to other code than there is now,
            or something cannot be written.
    """
    with alone(folder):
        if (folder / RESULT).exists():
            return
        spec = Spec.load(folder)
        if is_stale(spec) is not False:
            raise RegardError(
                "the code or the libraries are not those it was set up with; run the same compare "
                "again and it is set up anew"
            )
        images = Images.load(data_folder(folder.parent.parent, spec.data), check=False)
        with deterministic():
            feed = Feed.of(images, spec.device, spec.channels)
            model, plugged = build(spec, feed)
            run = _train(spec, model, images, folder, on_epoch)
            notes = [] if plugged is None else _attention(model, feed, folder)
        _write(folder / RESULT, _result(run, notes))
        checkpoint.forget(folder)


def data_folder(comparison: Path, fingerprint: str) -> Path:
    """Where a comparison keeps the images of a fingerprint."""
    return comparison / "data" / fingerprint[:16]


def build(spec: Spec, feed: Feed) -> tuple[nn.Module, Plugged | None]:
    """The network of a specification, on the CPU: host first, so that a seed gives one host.

    Raises:
        RegardError: if it cannot be built, or its output does not fit the classes.
    """
    arm = Arm(**spec.arm)
    example = feed.example(2).cpu()
    with seeded(spec.seed):
        model = build_host(
            spec.host, classes=spec.classes, channels=spec.channels, size=spec.size,
            width=arm.width, pretrained=spec.pretrained,
        )  # fmt: skip
    check_host(model, spec.classes, example)
    with seeded(spec.seed + 1_000_000_007):
        plugged = arm.plug_into(model, example, spec.start)
    if plugged is not None and arm.placebo:
        make_placebo(plugged)
        check_blind(model, example, arm.label)
    return model, plugged


def _train(
    spec: Spec,
    model: nn.Module,
    images: Images,
    folder: Path,
    on_epoch: Callable[[Epochs], None] | None,
) -> Run:
    budget = Budget(**{**spec.budget, "slow": {**_slow(spec, model), **spec.budget["slow"]}})
    began = time.monotonic() - _seconds(folder)

    def note(epochs: Epochs) -> None:
        lines = "".join(f"{json.dumps(dict(epoch))}\n" for epoch in epochs)
        checkpoint.write_whole(folder / METRICS, lines.encode())
        _write(folder / TIMING, {"seconds": round(time.monotonic() - began, 3)})
        if on_epoch is not None:
            on_epoch(epochs)

    return train(
        model, images, budget, seed=spec.seed, device=spec.device, channels=spec.channels,
        folder=folder, on_epoch=note,
    )  # fmt: skip


def _slow(spec: Spec, model: nn.Module) -> dict[str, float]:
    """The learning rates that the mechanism's card lowers, by the parameters' full names."""
    mechanism = spec.arm["mechanism"]
    parts = {} if mechanism is None else card(mechanism).slow
    plugged = [name for name, _ in model.named_parameters() if _PLUGGED in f".{name}"]
    return {
        name: math.prod(factor for part, factor in parts.items() if part in name)
        for name in plugged
        if any(part in name for part in parts)
    }


def _seconds(folder: Path) -> float:
    """How long earlier processes trained here; what they did after their last epoch is lost."""
    try:
        return float(json.loads((folder / TIMING).read_text(encoding="utf-8"))["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


def _result(run: Run, notes: list[str]) -> dict[str, Any]:
    return {
        "accuracy": run.accuracy,
        "loss": run.loss,
        "by_class": [None if math.isnan(share) else share for share in run.by_class],
        "epochs": [dict(epoch) for epoch in run.epochs],
        "notes": notes,
    }


def _attention(model: nn.Module, feed: Feed, folder: Path) -> list[str]:
    """Keep what the mechanisms attended to on a few test images; notes on what looks wrong."""
    chosen = shown_images(feed.images)
    found = _maps(model, feed.normalised(feed.images.test.images[chosen]))
    kept = {f"{i}/{m.kind}/{m.site}": _small(m) for i, m in enumerate(found)}
    frames = {k: m.frame for k, m in zip(kept, found, strict=True) if m.frame}
    header = {"frames": json.dumps(frames), "images": json.dumps(chosen)}
    checkpoint.write_whole(folder / MAPS, to_bytes(kept, header))
    if any(m.kind == "theta" for m in found):
        return _warnings(_maps(model, feed.normalised(feed.images.test.images[:256])))
    return []


def _maps(model: nn.Module, x: Tensor) -> list[Map]:
    """What was attended to by what is plugged, each under its site's name."""
    model.eval()
    with torch.no_grad(), record(model) as found:
        model(x)
    places = [(m, f".{m.site}".rpartition(_PLUGGED)) for m in found]
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


def _write(path: Path, data: Mapping[str, Any]) -> None:
    checkpoint.write_whole(path, json.dumps(data, indent=1, allow_nan=False).encode())
