"""One trial: a network trained once, in a folder of its own, from its specification alone.

The folder's ``result.json`` is written last and whole; until then a run that was stopped goes on
from its last epoch. Everything in it is the same bit for bit, however often it was stopped; times
are kept apart in ``timing.json``.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
from .arms import Arm
from .placebo import make_placebo
from .spec import MAPS, METRICS, RESULT, TIMING, Spec

SHOWN = 6
MOST_TOKENS = 1024


def run_trial(folder: Path, on_epoch: Callable[[Mapping[str, float]], None] | None = None) -> None:
    """Train what the folder's specification says, unless its result is there.

    Args:
        folder: a trial's folder, two levels below the comparison's.
        on_epoch: called after each epoch.

    Raises:
        RegardError: if the specification cannot be run or something cannot be written.
    """
    with _alone(folder):
        if (folder / RESULT).exists():
            return
        spec = Spec.load(folder)
        images = Images.load(folder.parent.parent / "data" / spec.data[:16], check=False)
        began = time.monotonic()
        model, plugged = build(spec, images)
        run = _train(spec, model, images, folder, on_epoch)
        notes = _attention(model, plugged, images, spec, folder)
        _write(folder / TIMING, {"seconds": round(time.monotonic() - began, 3)})
        _write(folder / RESULT, _result(run, notes))
        checkpoint.forget(folder)


def build(spec: Spec, images: Images) -> tuple[nn.Module, Plugged | None]:
    """The network of a specification: host first, so that one seed gives all arms one host."""
    torch.set_flush_denormal(True)
    torch.use_deterministic_algorithms(True, warn_only=True)
    arm = Arm(**spec.arm)
    torch.manual_seed(spec.seed)
    model = build_host(
        spec.host, classes=spec.classes, channels=spec.channels, size=spec.size, width=arm.width,
        pretrained=spec.pretrained,
    )  # fmt: skip
    example = example_of(images, spec.channels)
    check_host(model, spec.classes, example)
    torch.manual_seed(spec.seed + 1_000_000_007)
    plugged = arm.plug_into(model, example, spec.start)
    if plugged is not None and arm.placebo:
        make_placebo(plugged)
        check_host(model, spec.classes, example)  # its running means are made in a forward
    return model, plugged


def example_of(images: Images, channels: int, batch: int = 2) -> Tensor:
    """The first training images as a network of so many channels takes them."""
    x = Feed.of(images, "cpu").normalised(images.train.images[:batch])
    return x.expand(-1, channels, -1, -1) if x.shape[1] == 1 else x


def _train(
    spec: Spec,
    model: nn.Module,
    images: Images,
    folder: Path,
    on_epoch: Callable[[Mapping[str, float]], None] | None,
) -> Run:
    slow = {} if spec.arm["mechanism"] is None else dict(card(spec.arm["mechanism"]).slow)
    budget = Budget(**{**spec.budget, "slow": slow})

    def note(epoch: Mapping[str, float]) -> None:
        _append(folder / METRICS, epoch)
        if on_epoch is not None:
            on_epoch(epoch)

    return train(
        model, images, budget, seed=spec.seed, device=spec.device, folder=folder, on_epoch=note
    )


def _result(run: Run, notes: list[str]) -> dict[str, Any]:
    return {
        "accuracy": run.accuracy,
        "loss": run.loss,
        "by_class": [None if a != a else a for a in run.by_class],  # noqa: PLR0124
        "epochs": [dict(e) for e in run.epochs],
        "notes": notes,
    }


def _attention(
    model: nn.Module, plugged: Plugged | None, images: Images, spec: Spec, folder: Path
) -> list[str]:
    """Keep what the mechanisms attended to on a few test images; notes on what looks wrong."""
    if plugged is None:
        return []
    chosen = shown_images(images)
    x = Feed.of(images, spec.device).normalised(images.test.images[chosen])
    model.eval()
    with torch.no_grad(), record(model) as found:
        model(x)
    kept = {f"{i}/{m.kind}/{m.site}": _small(m) for i, m in enumerate(found)}
    frames = {k: m.frame for k, m in zip(kept, found, strict=True) if m.frame}
    header = {"frames": json.dumps(frames), "images": json.dumps(chosen)}
    checkpoint.write_whole(folder / MAPS, to_bytes(kept, header))
    return _warnings(model, images, spec) if any(m.kind == "theta" for m in found) else []


def shown_images(images: Images) -> list[int]:
    """Indices of the first test image of each class, at most six of them."""
    labels = images.test.labels
    first = [int((labels == c).argmax()) for c in range(len(images.classes)) if (labels == c).any()]
    return first[:SHOWN]


def _small(found: Map) -> Tensor:
    """A map in float32; of weights over many tokens only the mean over heads and queries."""
    values = found.values.float().contiguous()
    if found.kind == "weights" and values.shape[-1] > 64:
        values = values.flatten(1, -2).mean(1)[:, :MOST_TOKENS].contiguous()
    return values


def _warnings(model: nn.Module, images: Images, spec: Spec) -> list[str]:
    """Say so if a localiser looks at (almost) nothing on the test images."""
    x = Feed.of(images, spec.device).normalised(images.test.images[:256])
    with torch.no_grad(), record(model) as found:
        model(x)
    notes = []
    for m in found:
        if m.kind == "theta" and m.frame is not None:
            area, inside = coverage(m.values, m.frame)
            if area < 0.02 or inside < 0.2:
                notes.append(
                    f"the localiser at {m.site} has collapsed: it spans {area:.1%} of the frame, "
                    f"and {inside:.0%} of its samples lie inside"
                )
    return notes


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time; a killed one holds nothing."""
    try:
        with (folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise RegardError(f"{folder} cannot be used: {error.strerror}") from error


def _write(path: Path, data: Mapping[str, Any]) -> None:
    checkpoint.write_whole(path, json.dumps(data, indent=1).encode())


def _append(path: Path, data: Mapping[str, Any]) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(data)) + "\n")
    except OSError as error:
        raise RegardError(f"{path} cannot be written: {error.strerror}") from None
