"""What the mechanisms attended to on a few test images, as pictures from a trial's maps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from .. import page
from ..data import Images
from ..errors import RegardError
from ..page import Markup
from ..page.pixels import upright
from ..seeing.canvas import first_middle_last, strip_zoom
from ..tasks import data_folder
from .attended import shown_images
from .matrices import matrices_of
from .result import Comparison
from .spec import MAPS

Array = npt.NDArray[np.float32]
_LEAST_SPAN = 0.1


@dataclass(frozen=True, slots=True)
class Shown:
    """Test images as the page kit takes them, and their classes."""

    pixels: tuple[npt.NDArray[np.uint8], ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, images: Images, chosen: list[int]) -> Shown:
        """The chosen test images."""
        pixels = tuple(upright(images.test.images[i]) for i in chosen)
        return cls(pixels, tuple(images.classes[images.test.labels[i]] for i in chosen))

    def gallery(self) -> Markup:
        """The images themselves."""
        pairs = zip(self.pixels, self.names, strict=True)
        return page.gallery([(page.image(image, f"test image: {n}"), n) for image, n in pairs])

    def overlays(self, values: Array, ends: tuple[float, float], what: str) -> list[Markup]:
        """Maps ``[N, h, w]`` over the images, in colours from one value to another."""
        low, high = ends
        items = [
            (page.overlay(image, value, f"{what} on {name}", low=low, high=high), name)
            for value, image, name in zip(values, self.pixels, self.names, strict=True)
        ]
        return [page.gallery(items), page.colour_bar(*ends, what)]


def attended(comparison: Comparison) -> list[Markup]:
    """What the first finished seed of each arm attended to."""
    grid, folder = comparison.grid, comparison.folder
    if grid["kind"] != "images":
        return matrices_of(comparison)
    try:
        where = data_folder(folder, grid["data"]["key"])
        images = Images.load(where, check=False)
    except RegardError as error:
        return [page.element("p", f"The images are not there any more: {error}")]
    found: list[Markup] = []
    for arm in comparison.arms:
        seeds = comparison.results.get(arm.label, {})
        if seeds and arm.mechanism is not None and not arm.placebo:
            seed = min(seeds)
            key = grid["trials"][arm.label][str(seed)]
            fragments = pictures(folder / "trials" / key, images)
            if fragments:
                found += [page.element("h3", f"{arm.label}, seed {seed}"), *fragments]
    return [Shown.of(images, shown_images(images)).gallery(), *found] if found else []


def pictures(trial: Path, images: Images) -> list[Markup]:
    """A heading and a picture for each map of one finished trial; none where it kept no maps."""
    if not (trial / MAPS).exists():
        return []
    try:
        with safe_open(trial / MAPS, framework="np") as file:
            header = file.metadata()
            maps = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        frames, chosen = json.loads(header["frames"]), json.loads(header["images"])
        shown = Shown.of(images, chosen)
        found: list[Markup] = []
        for key in _spread(sorted(maps, key=lambda k: int(k.split("/")[0]))):
            _, kind, site = key.split("/", 2)
            found += _of_map(kind, site, maps[key], shown, frames.get(key))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, IndexError) as error:
        return [page.element("p", f"The maps kept in {trial / MAPS} cannot be shown: {error}.")]
    return found


def _of_map(
    kind: str, site: str, values: Array, shown: Shown, frame: list[int] | None
) -> Iterator[Markup]:
    """A heading and a picture of one map; nothing for a form that has no picture."""
    place = f"at {site}" if site else "at the output"
    if not np.isfinite(values).all():
        yield page.element("p", f"What was attended to {place} is not finite.")
    elif kind == "theta" and frame is not None:
        yield page.element("h4", f"The part of the image that is sampled {place}")
        yield _quadrilaterals(values, shown, (frame[0], frame[1]))
    elif kind == "gate" and values.ndim == 4 and values.shape[1] == 1:
        yield page.element("h4", f"Spatial gate {place}")
        yield from shown.overlays(values[:, 0], _ends(values), "gate")
    elif kind == "gate" and values[0, :, :1].size == values.shape[1]:
        yield page.element("h4", f"Channel gates {place}")
        yield _channels(values.reshape(len(values), -1), shown)
    elif kind == "weights":
        received = values.reshape(len(values), -1, values.shape[-1]).mean(1)
        side = round(received.shape[1] ** 0.5)
        if side * side == received.shape[1]:
            yield page.element("h4", f"Attention that each place receives {place}")
            ends = (0.0, float(received.max()))
            yield from shown.overlays(received.reshape(-1, side, side), ends, "attention received")


def _quadrilaterals(thetas: Array, shown: Shown, frame: tuple[int, int]) -> Markup:
    return page.gallery(
        [
            (page.outline(image, _corners(theta, image, frame), f"what is sampled of {n}"), n)
            for theta, image, n in zip(thetas, shown.pixels, shown.names, strict=True)
        ]
    )


def _channels(gates: Array, shown: Shown) -> Markup:
    low, high = _ends(gates)
    names = ", ".join(shown.names)
    caption = f"One column a channel, one row an image, from above: {names}"
    return page.element(
        "figure",
        page.heat(gates, f"channel gates for {names}", low, high, strip_zoom(gates.shape[1])),
        page.element("figcaption", caption),
        page.colour_bar(low, high, "gate"),
    )


def _corners(
    theta: Array, image: npt.NDArray[np.uint8], frame: tuple[int, int]
) -> list[tuple[float, float]]:
    """Corners of the sampled quadrilateral on the image, between centres of pixels.

    A warp inside the network samples a smaller frame; it is drawn over the whole image.
    """
    height, width = frame
    down, across = image.shape[0] / height, image.shape[1] / width
    corners = np.array([[-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]], dtype=np.float64)
    points = corners @ theta.astype(np.float64).T
    return [
        (
            float((x + 1) / 2 * (width - 1) + 0.5) * across,
            float((y + 1) / 2 * (height - 1) + 0.5) * down,
        )
        for x, y in points
    ]


def _spread(keys: list[str]) -> list[str]:
    """Maps of the first, the middle and the last site, so that a deep network stays readable."""
    sites = list(dict.fromkeys(k.split("/", 2)[2] for k in keys))
    kept = first_middle_last(sites)
    return [k for k in keys if k.split("/", 2)[2] in kept]


def _ends(gates: Array) -> tuple[float, float]:
    """Where the colours of gates begin and end: gates that hardly differ are to look alike."""
    low, high = float(gates.min()), float(gates.max())
    wider = max(0.0, _LEAST_SPAN - (high - low)) / 2
    return low - wider, high + wider
