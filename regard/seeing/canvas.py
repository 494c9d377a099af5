"""One map as a picture for a page, over what was looked at where that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from .. import page
from ..maps import Map
from ..page import Markup

Array = npt.NDArray[np.float64]
T = TypeVar("T")
Pixels = npt.NDArray[np.uint8]
MOST_HEADS = 16  # heads, points and rows of one picture; the page says so where there are more
_MOST_POINTS = 400
_MOST_BARS = 24
_MOST_ZOOM = 24
_STRIP = 640  # pixels of the screen for a row of channels, about


@dataclass(frozen=True, slots=True)
class Scene:
    """What a model looked at.

    Args:
        pixels: the picture, uint8 ``[H, W]`` or ``[H, W, 3]``; None where there is none.
        tokens: the text in its tokens; empty where there is none.
        sample: which of the batch is shown.
        written: the text that a model wrote, in its tokens.
        asked: a place of the picture, down and across in parts from 0 to 1, of which it is shown
            what it looks at.
    """

    pixels: Pixels | None = None
    tokens: tuple[str, ...] = ()
    sample: int = 0
    written: tuple[str, ...] = ()
    asked: tuple[float, float] = (0.5, 0.5)


def picture_of(found: Map, scene: Scene) -> list[Markup]:
    """A map of one sample, as its kind is best seen: heads side by side, bars, over the picture."""
    values = found.values.double().numpy()
    if found.kind == "weights":
        return heads_side_by_side(values[scene.sample], f"at {found.site or 'the model'}")
    one = values[min(scene.sample, len(values) - 1)]
    if found.kind == "gate":
        return [_gate(one, found, scene)]
    if found.kind == "shares":
        return [_shares(one, found)]
    if found.kind == "sampled":
        return [_plane(one, f"what was sampled at {found.site or 'the model'}", scene, over=False)]
    return [_places(one, found, scene)]


def heads_side_by_side(weights: Array, where: str) -> list[Markup]:
    """Weights ``[Nq, Nk]`` or ``[h, Nq, Nk]``: a square for each head, all in the same colours."""
    heads = np.nan_to_num(weights.reshape(-1, *weights.shape[-2:])[:MOST_HEADS])
    low, high = min(0.0, float(heads.min())), brightest(heads)
    items = [
        (page.heat(head, f"weights of head {k} {where}: rows are queries", low, high), f"head {k}")
        for k, head in enumerate(heads)
    ]
    count = int(np.prod(weights.shape[:-2]))
    note = f"{MOST_HEADS} of {count} heads are shown." if count > MOST_HEADS else None
    scale = page.colour_bar(low, high, "weight", beyond=bool(heads.max() > high))
    return [page.gallery(items), scale, *([page.element("p", note)] if note else [])]


def tokens_by_tokens(
    weights: Array, queries: Sequence[str], keys: Sequence[str], caption: str
) -> Markup:
    """Weights ``[Nq, Nk]`` between named tokens; those below zero are cut there."""
    cut = np.nan_to_num(weights).clip(0)
    return page.matrix(cut, queries, keys, caption, high=brightest(cut))


def brightest(weights: Array) -> float:
    """The weight of the brightest colour, which a fiftieth of all weights above zero go beyond.

    A first token that can look at nothing but itself would else leave all others in the dark.
    """
    found = weights[weights > 0]
    return float(np.quantile(found, 0.98)) if found.size else 1.0


def strip_zoom(channels: int) -> int:
    """Pixels of the screen for one of so many channels in a row."""
    return max(1, min(_MOST_ZOOM, _STRIP // channels))


def first_middle_last(found: Sequence[T]) -> list[T]:
    """Three of more, in order, so that a deep network stays readable."""
    if len(found) <= 3:
        return list(found)
    return [found[0], found[len(found) // 2], found[-1]]


def framed(pixels: Pixels, place: tuple[int, int], frame: tuple[int, int]) -> Pixels:
    """A picture with a white frame, on black, around one place of ``frame`` places."""
    colour = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, -1)
    drawn, size = colour.copy(), pixels.shape[:2]
    ends = [
        (p * n // m, max((p + 1) * n // m, p * n // m + 1))
        for p, n, m in zip(place, size, frame, strict=True)
    ]
    for width, shade in ((2, 0), (1, 255)):
        around = tuple(slice(max(0, low - width), high + width) for low, high in ends)
        inside = tuple(slice(low, high) for low, high in ends)
        kept = drawn[inside].copy()
        drawn[around] = shade
        drawn[inside] = kept
    return drawn


def _gate(gate: Array, found: Map, scene: Scene) -> Markup:
    where = found.site or "the model"
    if found.over == "channels":
        names = [f"channel {k}" for k in range(gate.shape[0])]
        return page.bars(
            names, [float(g) for g in gate.reshape(len(gate))],
            caption=f"Channel gates at {where}, the largest first", value_label="gate", reference=1,
            most=_MOST_BARS,
        )  # fmt: skip
    if found.over in ("height", "width"):
        along = "rows" if found.over == "height" else "columns"
        strip = gate.reshape(gate.shape[0], -1).T
        zoom = strip_zoom(strip.shape[1])
        alt = f"gates at {where}: {along} of the map downwards, channels across"
        told = page.element("figcaption", page.capital(alt))
        return page.element("figure", page.heat(strip, alt, zoom=zoom), told)
    return _plane(gate, f"gate at {where}", scene, over=True)


def _plane(values: Array, what: str, scene: Scene, *, over: bool) -> Markup:
    """A map ``[C, H, W]``: in colour where it has three channels, else its mean over them."""
    low, high = float(values.min()), float(values.max())
    if values.ndim != 3:
        return page.heat(values.reshape(values.shape[0], -1), what)
    if not over and values.shape[0] in (1, 3) and high > low:
        pixels = np.moveaxis((values - low) / (high - low) * 255, 0, -1).round().astype(np.uint8)
        return page.image(pixels[..., 0] if pixels.shape[2] == 1 else pixels, what)
    plane = values.mean(0)
    if over and scene.pixels is not None:
        drawn = page.overlay(scene.pixels, plane, what)
    else:
        drawn = page.heat(plane, what)
    ends = float(plane.min()), float(plane.max())
    text = what if values.shape[0] == 1 else f"{what}, the mean over {values.shape[0]} channels"
    return page.element(
        "figure", drawn, page.element("figcaption", page.capital(text)), page.colour_bar(*ends)
    )


def _shares(shares: Array, found: Map) -> Markup:
    """The mean share of each branch, or of the channels where this is one branch alone."""
    flat = shares.reshape(shares.shape[0], -1).mean(1)
    names = [f"{k}" for k in range(len(flat))]
    caption = f"Branch weights at {found.site or 'the model'}, call {found.call}, by first axis"
    return page.bars(
        names, [float(v) for v in flat], caption=caption, value_label="share", ordered=False
    )


def _places(values: Array, found: Map, scene: Scene) -> Markup:
    """Theta as numbers; sampling points on the picture, or on an empty one of their frame."""
    where = found.site or "the model"
    if found.kind == "theta" or found.frame is None:
        rows = [(f"row {k}", *row.tolist()) for k, row in enumerate(values)]
        return page.table(("theta", "x", "y", "1"), rows, f"Affine map at {where}")
    height, width = found.frame
    under = np.full((height, width), 200, np.uint8) if scene.pixels is None else scene.pixels
    down, across = under.shape[0] / height, under.shape[1] / width
    flat = values.reshape(-1, 2)
    if values.ndim == 3 and min(values.shape[:2]) > 1 and found.kind == "points":
        border = np.concatenate(
            [values[0], values[:, -1], values[-1][::-1], values[:, 0][::-1]]
        )  # fmt: skip
        shown = [((x + 0.5) * across, (y + 0.5) * down) for x, y in border]
        if np.isfinite(border).all():
            return page.outline(under, shown, f"the border of what is sampled at {where}")
    chosen = flat[:: max(1, len(flat) // _MOST_POINTS)]
    places = [(float((x + 0.5) * across), float((y + 0.5) * down)) for x, y in chosen]
    return page.points(under, places, f"{len(places)} of {len(flat)} points sampled at {where}")
