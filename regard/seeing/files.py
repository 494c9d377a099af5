"""The figures of a look at a model, as files: PNG of maps, SVG of charts, arrays as safetensors."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import numpy as np
from safetensors.torch import save as to_bytes

from ..errors import RegardError, unwritable
from ..page.colours import viridis
from ..page.pixels import png_of
from ..training.checkpoint import write_whole
from .canvas import Array, Pixels
from .report import Report

_HEADS = 8  # heads in a row of a picture
_ZOOM = 256  # pixels of the longer side of a small map, about


def save_figures(report: Report, folder: str | Path) -> list[Path]:
    """Write every heat and every map of weights as PNG, the curves as SVG, and all as arrays.

    Args:
        report: of one look.
        folder: made where it is missing.

    Returns:
        The files written; ``maps.safetensors`` and ``heats.safetensors`` hold the numbers.

    Raises:
        RegardError: a file that cannot be written.
    """
    place = Path(folder).expanduser()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(place, error) from error
    made: dict[str, bytes] = {}
    for name, heat in report.heats.items():
        values = heat.values[0].double().numpy()
        made[f"{_word(name)}.png"] = png_of(_coloured(np.atleast_2d(values)))
    for name, sanity in report.sanity.items():
        made[f"{_word(name)}-curves.svg"] = _standing_alone(sanity.figure()).encode()
    for found in report.maps:
        if found.kind == "weights":
            heads = found.values[0].double().numpy()
            name = f"{_word(found.site or 'model')}-{found.call}.png"
            made[name] = png_of(_tiled(heads.reshape(-1, *heads.shape[-2:])))
    heats = {_word(k): h.values.contiguous() for k, h in report.heats.items()}
    made["heats.safetensors"] = to_bytes(heats)
    for name, data in made.items():
        write_whole(place / name, data)
    report.maps.save(place / "maps.safetensors")
    return [*(place / name for name in made), place / "maps.safetensors"]


def _word(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:120] or "map"


def _coloured(values: Array) -> Pixels:
    """In the colours of viridis from the least to the greatest, small maps enlarged."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    zoom = max(1, _ZOOM // max(values.shape))
    pixels = viridis(np.nan_to_num((values - low) / ((high - low) or 1.0)))
    return np.ascontiguousarray(pixels.repeat(zoom, 0).repeat(zoom, 1))


def _tiled(heads: Array) -> Pixels:
    """Heads beside each other, a white line between them; each in colours of its own."""
    drawn = [np.pad(_coloured(h), ((0, 4), (0, 4), (0, 0)), constant_values=255) for h in heads]
    columns = min(_HEADS, len(drawn))
    blank = np.full_like(drawn[0], 255)
    drawn += [blank] * (-len(drawn) % columns)
    rows = [np.concatenate(drawn[k : k + columns], 1) for k in range(0, len(drawn), columns)]
    return np.concatenate(rows, 0)


def _standing_alone(figure: str) -> str:
    """The wide drawing of a chart with the style sheet inside, for any viewer of SVG."""
    found = re.search(r'<svg[^>]*class="wide".*?</svg>', figure, re.DOTALL)
    if found is None:
        raise RegardError("the chart has no drawing for a screen")
    style = files("regard.page").joinpath("style.css").read_text(encoding="utf-8")
    head, tail = found[0].split(">", 1)
    return (
        f'{head} color-scheme="light"><style>{style}</style><g class="plot">{tail[:-6]}</g></svg>'
    )
