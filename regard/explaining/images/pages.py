"""The page that walks through attention on a picture."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...data.tree import shown
from ...page import Markup, Page, element, embed, image, join
from ...page.pixels import upright
from ..parts import SCRIPTS, blank, packaged, readout, unable
from ..wording import said, title
from .controls import one_pixel, transformer
from .kept import look_kept
from .looks import Look, look_shipped
from .network import load_shipped_images
from .numbers import numbers_of
from .walk import Section, by_hand, cbam, efficient, ranking, squeeze, squeeze_excite
from .watching import Pass

_NAMES = ("gating", "sampling", "drawing", "telling", "channels", "gallery", "warping", "images")
_SCRIPTS = (*SCRIPTS, *(f"images/{name}.js" for name in _NAMES))
_SHOWN = 192  # pixels of the screen for the picture as the network sees it


def explain_picture(
    path: str | os.PathLike[str],
    *,
    on: str | Path | None = None,
    language: str = "en",
    run_code: bool = False,
) -> Page:
    """The page of a network's look at an image file; arguments and errors as of ``explain``."""
    place = Path(path).expanduser()
    if on is None:
        return write_page(look_shipped(load_shipped_images(), place), language)
    return write_page(look_kept(on, place, run_code=run_code), language)


def write_page(look: Look, language: str = "en") -> Page:
    """The page of a look; parts on mechanisms that it lacks are left out."""
    numbers = numbers_of(look.passes)
    numbers["moved"] = look.moved
    if look.moved:
        numbers["warp"]["levels"] = look.levels
    if "eca" in numbers:
        numbers["eca"]["others"] = _weights_of(look.passes)
    name = shown(look.name)
    page = Page(f"{name} · attention 注意力", language, title("images-lead"), bilingual=True)
    page.include(
        packaged("explain.css", "images/images.css"), packaged(*_SCRIPTS)
    )  # fmt: skip
    page.add(title("picture-title"), unable(), _pictures(look), *look.told, readout())
    for number, (heading, parts) in enumerate(_sections(look, numbers), 1):
        page.add(title(heading, number), *parts)
    page.add(title("origin-title"), *_origin(look, numbers))
    return page


def _sections(look: Look, numbers: dict[str, Any]) -> Iterator[Section]:
    kinds = {"SE": "se", "ECA": "eca", "CBAM": "cbam"}
    gates = {name: numbers[key] for name, key in kinds.items() if key in numbers}
    if gates:
        yield squeeze(numbers)
    if "se" in numbers:
        yield squeeze_excite(numbers["se"])
    if "eca" in numbers:
        yield efficient(numbers["eca"])
    if gates:
        yield ranking(gates)
    if "se" in numbers or "eca" in numbers:
        yield by_hand(numbers["shown"], gates)
    if "cbam" in numbers:
        yield from cbam(numbers["cbam"], numbers["channels"])
    if "warp" in numbers:
        yield transformer(len(look.passes["spatial_transformer"].given))
        yield one_pixel(tuple(numbers["warp"]["size"]))


def _pictures(look: Look) -> Markup:
    """The picture as it is, and as the network saw it."""
    low, high = (torch.tensor(ends).view(-1, 1, 1) for ends in zip(*look.levels, strict=True))
    seen = ((look.x[0] - low) / (high - low)).clamp(0, 1).mul(255).round()
    pixels = upright(seen.numpy().astype(np.uint8))
    zoom = _SHOWN / max(pixels.shape[:2])
    size = " × ".join(map(str, reversed(look.x.shape[-2:])))
    return element(
        "div",
        _figure(image(upright(look.large), f"{shown(look.name)}", 1), title("as-it-is")),
        _figure(image(pixels, f"{shown(look.name)}, {size}", zoom), title("as-seen")),
        class_="seen",
    )


def _figure(picture: Markup, caption: Markup) -> Markup:
    return element("figure", picture, element("figcaption", caption))


def _weights_of(passes: Mapping[str, Pass]) -> int:
    """What SE learns for these maps: that of this page, or one that divides the channels by 16."""
    if "se" in passes:
        return sum(p.numel() for p in passes["se"].module.parameters())
    channels = len(passes["eca"].given)
    hidden = max(1, channels // 16)
    return 2 * channels * hidden + hidden + channels


def _origin(look: Look, numbers: dict[str, Any]) -> list[Markup]:
    """That the page computes what PyTorch does, and what the network was trained on."""
    told = [said("check-images", count=blank("count"), worst=blank("worst"))]
    told += [said("check-gates")] if "maps" in numbers else []
    if "warp" in numbers:
        step = numbers["warp"]["step"]
        told.append(said("check-warp") if step == 1 else said("check-warp-some", step=step))
    return [
        element("div", join(*told), id="check", class_="note", hidden=True),
        *look.origin,
        embed("numbers", numbers),
    ]
