"""save and load: the add-on alone, as safetensors with JSON in its header. No pickle."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from .. import __version__
from ..catalogue import is_own
from ..errors import RegardError, unwritable
from ..ops.layout import Layout
from .carrier import CHILD, SIDES, Attachment, Side, addon_state, attach, host_mask, prepare_host
from .handle import Plugged, places_of, plugged
from .observation import random_state_kept
from .patterns import host_modules
from .plugging import make_attachment
from .reading import Site, first_parameter
from .refusals import refuse_wrapped

_FORMAT = "1"
_WRAPPED = ("_orig_mod", "module")


def save(model: nn.Module, path: str | Path) -> None:
    """Write what is plugged into a model, and nothing of the model itself.

    The file holds the mechanisms' tensors and, in its header, how they were made and a fingerprint
    of the host's names and shapes. It is written beside its place and then renamed. A model that
    was compiled or wrapped after plugging is saved as the model inside.

    Raises:
        RegardError: if nothing is plugged or the file cannot be written.
    """
    model = _inside(model)
    if not places_of(model):
        raise RegardError("nothing is plugged into this model, so there is nothing to save")
    try:
        described = json.dumps(_places(model))
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
        raise unwritable(path, error) from None
    finally:
        if beside.is_file():
            beside.unlink()


def load(model: nn.Module, path: str | Path) -> Plugged:
    """Read what :func:`save` wrote into a model of the same architecture.

    A plain model is plugged first, as the file says; a plugged one must carry the same mechanisms
    with the same options. Mechanisms from a factory or from a file of the caller's own are never
    built from what a file says: plug the model before.

    Returns:
        A handle on everything plugged.

    Raises:
        RegardError: if the file is none of ours or does not fit the model, which is then left as it
            was.
    """
    model = _inside(model)
    header, tensors = _read(Path(path))
    if header.get("host") != fingerprint(model):
        raise RegardError(
            f"{path} was saved from a model with other names or shapes than this "
            f"{type(model).__name__}; build the same architecture first"
        )
    places = _described(header, path)
    fresh = not places_of(model)
    if fresh:
        _rebuild(model, places, path)
    try:
        _check_same(_places(model), places, path)
        own = _tensors(model)
        wrong = sorted(own.keys() ^ tensors.keys()) or sorted(
            k for k in own if own[k].shape != tensors[k].shape
        )
        if wrong:
            raise RegardError(
                f"{path} does not fit what is plugged: {len(wrong)} tensors differ, among them "
                f"{wrong[0]}"
            )
    except RegardError:
        if fresh:
            plugged(model).remove()
        raise
    with torch.no_grad():
        for key, tensor in own.items():
            tensor.copy_(tensors[key])
    return plugged(model)


def fingerprint(model: nn.Module) -> str:
    """A hash of the host's state_dict names and shapes, without what is plugged into it."""
    ours = addon_state(model)
    host = [
        f"{key}:{tuple(getattr(value, 'shape', ()))}"
        for key, value in model.state_dict().items()
        if key not in ours
    ]
    return hashlib.sha256("\n".join(host).encode()).hexdigest()[:16]


def _inside(model: nn.Module) -> nn.Module:
    """The model inside torch.compile, DataParallel or DistributedDataParallel."""
    while type(model).__name__ in ("OptimizedModule", "DataParallel", "DistributedDataParallel"):
        model = next(m for name, m in model.named_children() if name in _WRAPPED)
    return model


def _places(model: nn.Module) -> list[dict[str, Any]]:
    """How all that is plugged was made, as plain data."""
    return [
        {**a.record, "site": name, "side": side, "layout": a.layout}
        for (name, side), a in plugged(model).attachments().items()
    ]


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


def _described(header: dict[str, str], path: str | Path) -> list[dict[str, Any]]:
    """The places in a header, checked: a file may come from anyone."""
    try:
        places: list[dict[str, Any]] = json.loads(header["places"])
        for place in places:
            texts = ("site", "mechanism")
            right = (
                all(isinstance(place[key], str) for key in texts)
                and place["side"] in SIDES
                and place["layout"] in get_args(Layout)
                and isinstance(place.get("options", {}), dict)
                and isinstance(place.get("channels", 1), int)
                and isinstance(place["mask"], str | None)
                and isinstance(place.get("causal", False), bool)
            )
            if not right:
                raise ValueError(f"a place is {place}")
    except (ValueError, KeyError, TypeError) as error:
        raise RegardError(f"{path} has a damaged header: {error!r}; save it again") from None
    return places


def _check_same(here: list[dict[str, Any]], there: list[dict[str, Any]], path: str | Path) -> None:
    """The same mechanisms, made in the same way: equal tensors could mean another function."""
    plain = json.loads(json.dumps(here, default=str))
    for mine, theirs in zip(_by_place(plain), _by_place(there), strict=False):
        if mine != theirs:
            raise RegardError(
                f"{path} holds {theirs}, but the model carries {mine}; plug the same, or load into "
                f"a plain model"
            )


def _by_place(places: list[dict[str, Any]]) -> list[dict[str, Any]]:
    keys = ("site", "side", "layout", "mechanism", "options", "causal")
    known = [{key: place[key] for key in keys if key in place} for place in places]
    return sorted(known, key=lambda place: (place["site"], place["side"]))


def _rebuild(model: nn.Module, places: list[dict[str, Any]], path: str | Path) -> None:
    """Plug as the places say. Nothing is attached before all mechanisms are built."""
    modules = dict(host_modules(model))
    made: list[tuple[nn.Module, Side, Attachment]] = []
    arguments = {place["mask"] for place in places if place["mask"] is not None}
    masks = {argument: host_mask(model, argument) for argument in arguments}
    with random_state_kept(model):
        for place in places:
            _refuse_place(place, modules, path)
            refuse_wrapped(model, place["site"])
            mask = masks.get(place["mask"])
            module = modules[place["site"]]
            site = _site(model, module, place)
            built = make_attachment(
                place["mechanism"], site, mask, "paper", _options(place),
                causal=place.get("causal", False),
            )  # fmt: skip
            made.append((module, place["side"], built))
    for module, side, attachment in made:
        attach(module, side, attachment)
        prepare_host(model, attachment.mask)


def _refuse_place(place: dict[str, Any], modules: dict[str, nn.Module], path: str | Path) -> None:
    """A site that is not there, or a mechanism whose code is not ours."""
    name, mechanism = place["site"], place["mechanism"]
    if mechanism == "factory" or is_own(mechanism):
        raise RegardError(
            f"site {name!r} of {path} was plugged from {mechanism!r}, which is never built from a "
            f"file; plug the model first, then load"
        )
    if name not in modules:
        raise RegardError(f"the model has no site {name!r}, which {path} names")


def _options(place: dict[str, Any]) -> dict[str, Any]:
    """JSON has lists where the options had tuples."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in place["options"].items()}


def _site(model: nn.Module, module: nn.Module, place: dict[str, Any]) -> Site:
    like = first_parameter(module, model)
    return Site(
        place["site"], type(module).__name__, place["side"], place["layout"], place["channels"],
        None, 0, like.dtype, like.device,
    )  # fmt: skip
