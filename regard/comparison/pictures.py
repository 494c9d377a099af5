"""What the mechanisms attended to on a few test images, as pictures from a trial's maps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import safe_open

from .. import page
from ..data import Images
from ..page import Markup
from .spec import MAPS

Array = npt.NDArray[np.float32]


def pictures(trial: Path, images: Images) -> list[Markup]:
    """Galleries for the maps of one finished trial; none where it kept no maps."""
    if not (trial / MAPS).exists():
        return []
    with safe_open(trial / MAPS, framework="np") as file:
        header = file.metadata()
        maps = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    frames = json.loads(header["frames"])
    chosen = json.loads(header["images"])
    shown = [
        (_pixels(images.test.images[i]), images.classes[images.test.labels[i]]) for i in chosen
    ]
    found: list[Markup] = []
    for key in _spread(sorted(maps, key=lambda k: int(k.split("/")[0]))):
        _, kind, site = key.split("/", 2)
        found += list(_gallery(kind, site, maps[key], shown, frames.get(key)))
    return found


_Shown = list[tuple[npt.NDArray[np.uint8], str]]


def _gallery(
    kind: str, site: str, values: Array, shown: _Shown, frame: list[int] | None
) -> Iterator[Markup]:
    if kind == "theta" and frame is not None:
        items = [
            (page.outline(image, _corners(theta, frame), f"what is sampled of {name}"), name)
            for theta, (image, name) in zip(values, shown, strict=False)
        ]
        yield page.element("h4", f"What is sampled before {site}")
        yield page.gallery(items)
    elif kind == "gate" and values.ndim == 4 and values.shape[1] == 1:
        yield page.element("h4", f"Spatial gate at {site}")
        yield page.gallery(list(_overlays(values[:, 0], shown, "spatial gate")))
    elif kind == "gate" and values[0, :, :1].size == values.shape[1]:
        yield page.element("h4", f"Channel gates at {site}: one row an image, one column a channel")
        gates = values.reshape(len(values), -1)
        names = ", ".join(name for _, name in shown)
        picture = page.heat(gates, f"channel gates at {site} for {names}", zoom=8)
        yield page.gallery([(picture, f"rows: {names}")])
        yield page.colour_bar(float(gates.min()), float(gates.max()), "gate")
    elif kind == "weights":
        received = values.reshape(len(values), -1, values.shape[-1]).mean(1)
        side = round(received.shape[1] ** 0.5)
        if side * side == received.shape[1]:
            yield page.element("h4", f"Attention that each place receives at {site}")
            yield page.gallery(
                list(_overlays(received.reshape(-1, side, side), shown, "attention received"))
            )


def _overlays(values: Array, shown: _Shown, what: str) -> Iterator[tuple[Markup, str]]:
    for value, (image, name) in zip(values, shown, strict=False):
        yield page.overlay(image, value, f"{what} on {name}"), name


def _corners(theta: Array, frame: list[int]) -> list[tuple[float, float]]:
    """Corners of the sampled quadrilateral, in pixels of the frame."""
    height, width = frame
    corners = np.array([[-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]], dtype=np.float64)
    points = corners @ theta.astype(np.float64).T
    return [
        (float((x + 1) / 2 * (width - 1)), float((y + 1) / 2 * (height - 1))) for x, y in points
    ]


def _spread(keys: list[str]) -> list[str]:
    """Maps of the first, the middle and the last site, so that a deep network stays readable."""
    sites = list(dict.fromkeys(k.split("/", 2)[2] for k in keys))
    kept = {sites[0], sites[len(sites) // 2], sites[-1]} if sites else set()
    return [k for k in keys if k.split("/", 2)[2] in kept]


def _pixels(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """``[C, H, W]`` as the page kit takes it."""
    return np.ascontiguousarray(image[0] if len(image) == 1 else np.moveaxis(image, 0, -1))
