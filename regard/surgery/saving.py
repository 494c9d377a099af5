"""save and load: the add-on alone, as safetensors with JSON in its header. No pickle."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from .. import __version__
from ..errors import RegardError
from .carrier import CHILD, MASK, HostMask, addon_keys, attach, prepare_host
from .patterns import host_modules
from .plugging import Plugged, make_attachment, places_of, plugged
from .sites import Site

_FORMAT = "1"


def save(model: nn.Module, path: str | Path) -> None:
    """Write what is plugged into a model, and nothing of the model itself.

    The file holds the mechanisms' tensors and, in its header, how they were made and a fingerprint
    of the host's names and shapes. It is written beside its place and then renamed.

    Raises:
        RegardError: if nothing is plugged or the file cannot be written.
    """
    found = plugged(model).attachments()
    if not found:
        raise RegardError("nothing is plugged into this model, so there is nothing to save")
    places = [
        {"site": name, "side": side, "layout": a.layout, **a.record}
        for (name, side), a in found.items()
    ]
    try:
        described = json.dumps(places)
    except TypeError as error:
        raise RegardError(f"an option of a mechanism cannot be written as JSON: {error}") from None
    header = {
        "format": f"regard {_FORMAT}",
        "regard": __version__,
        "torch": torch.__version__,
        "host": fingerprint(model),
        "places": described,
    }
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in _tensors(model).items()}
    beside = Path(f"{path}.{os.getpid()}.tmp")
    try:
        beside.write_bytes(to_bytes(tensors, header))
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise RegardError(f"{path} cannot be written: {error.strerror}") from None


def load(model: nn.Module, path: str | Path) -> Plugged:
    """Read what :func:`save` wrote into a model of the same architecture.

    A plain model is plugged first, as the file says; a plugged one must carry the same mechanisms.
    Mechanisms from a factory cannot be rebuilt: plug the model before.

    Returns:
        A handle on everything plugged.

    Raises:
        RegardError: if the file is none of ours or does not fit the model, which is then left as it
            was.
    """
    header, tensors = _read(Path(path))
    if header["host"] != fingerprint(model):
        raise RegardError(
            f"{path} was saved from a model with other names or shapes than this "
            f"{type(model).__name__}; build the same architecture first"
        )
    fresh = not places_of(model)
    if fresh:
        _rebuild(model, json.loads(header["places"]))
    own = _tensors(model)
    wrong = sorted(own.keys() ^ tensors.keys()) or sorted(
        k for k in own if own[k].shape != tensors[k].shape
    )
    if wrong:
        if fresh:
            plugged(model).remove()
        raise RegardError(
            f"{path} does not fit what is plugged: {len(wrong)} tensors differ, among them "
            f"{wrong[0]}"
        )
    with torch.no_grad():
        for key, tensor in own.items():
            tensor.copy_(tensors[key])
    return plugged(model)


def fingerprint(model: nn.Module) -> str:
    """A hash of the host's state_dict names and shapes, without what is plugged into it."""
    ours = addon_keys(model)
    host = [
        f"{key}:{tuple(tensor.shape)}"
        for key, tensor in model.state_dict().items()
        if key not in ours
    ]
    return hashlib.sha256("\n".join(host).encode()).hexdigest()[:16]


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers of all attachments, by their names in the model's state_dict."""
    return {
        f"{name}.{CHILD}.{side}.{key}".lstrip("."): tensor
        for (name, side), attachment in plugged(model).attachments().items()
        for key, tensor in attachment.state_dict().items()
    }


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise RegardError(f"{path} cannot be read as safetensors: {error}") from None
    if not header.get("format", "").startswith("regard"):
        raise RegardError(f"{path} was not written by regard.save: its header does not say so")
    if header["format"] != f"regard {_FORMAT}":
        raise RegardError(f"{path} has the format {header['format']!r}; this is 'regard {_FORMAT}'")
    return header, tensors


def _rebuild(model: nn.Module, places: list[dict[str, Any]]) -> None:
    modules = dict(host_modules(model))
    made = []
    masks: dict[str, HostMask] = {}
    for place in places:
        if place["mechanism"] == "factory":
            raise RegardError(
                f"site {place['site']!r} was plugged from a factory, which a file cannot hold; "
                f"plug the model first, then load"
            )
        if place["site"] not in modules:
            raise RegardError(f"the model has no site {place['site']!r}")
        name = place["mask"]
        mask = masks.setdefault(name, HostMask(name, model)) if name else None
        made.append((place, _attachment(model, modules[place["site"]], place, mask)))
    for place, attachment in made:
        attach(modules[place["site"]], place["side"], attachment)
    prepare_host(model, next(iter(masks.values()), None) or getattr(model, MASK, None))


def _attachment(
    model: nn.Module, module: nn.Module, place: dict[str, Any], mask: HostMask | None
) -> Any:
    like = next(
        (p for m in (module, model) for p in m.parameters() if p.is_floating_point()),
        torch.empty(0),
    )
    site = Site(
        place["site"], type(module).__name__, place["side"], place["layout"], place["channels"],
        None, 0, like.dtype, like.device,
    )  # fmt: skip
    options = dict(place["options"])
    start = options.get("start", "paper")
    return make_attachment(place["mechanism"], site, mask, start, options)
