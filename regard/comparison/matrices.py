"""What networks attended to in texts, as matrices with the tokens beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from .. import page
from ..page import Markup
from .result import Comparison
from .spec import MAPS

Array = npt.NDArray[np.float32]


def matrices_of(comparison: Comparison) -> list[Markup]:
    """For the first finished seed of each arm what it attended with on a few test texts."""
    made: list[Markup] = []
    for arm in comparison.arms:
        seeds = comparison.results.get(arm.label, {})
        if seeds and not arm.control:
            seed = min(seeds)
            key = comparison.grid["trials"][arm.label][str(seed)]
            found = matrices(comparison.folder / "trials" / key)
            made += [page.element("h3", f"{arm.label}, seed {seed}"), *found] if found else []
    return made


def matrices(trial: Path) -> list[Markup]:
    """The matrices of one trial, text after text; none where it kept nothing.

    What a trial's folder holds may come from somebody else; damage is told in the page.
    """
    if not (trial / MAPS).exists():
        return []
    try:
        with safe_open(trial / MAPS, framework="np") as file:
            texts = json.loads(file.metadata()["texts"])
            maps = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return [m for number, text in enumerate(texts) for m in _of_text(number, text, maps)]
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, IndexError) as error:
        return [page.element("p", f"The maps kept in {trial / MAPS} cannot be shown: {error}.")]


def _of_text(number: int, text: Mapping[str, Any], maps: Mapping[str, Array]) -> list[Markup]:
    rows, columns = ([str(token) for token in text[side]] for side in ("rows", "columns"))
    places = [key for key in maps if key.split("/", 1)[0] == str(number)]
    made: list[Markup] = []
    for key in _ends(sorted(places)):
        heads = maps[key]
        place = key.split("/", 1)[1]
        for head, weights in enumerate(heads):
            which = f", head {head + 1}" if len(heads) > 1 else ""
            # A pooling looks once, at all tokens.
            names = rows if len(weights) == len(rows) else ["the text"] * len(weights)
            what = f"{place}{which}; {text['caption']}"
            made.append(page.matrix(weights.clip(0, 1), names, columns, what))
    if len(made) < 2:
        return made
    label = f"{len(made)} maps of: {' '.join(columns)}"
    return [page.element("details", page.element("summary", label), *made)]


def _ends(places: list[str]) -> list[str]:
    """The first and the last place, so that a deep network stays readable."""
    return places if len(places) < 3 else [places[0], places[-1]]
