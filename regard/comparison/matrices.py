"""What networks attended to in texts, as matrices with the tokens beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
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
_ROOM = 150_000  # letters of a page for all matrices


def matrices_of(comparison: Comparison) -> list[Markup]:
    """For the first finished seed of each arm what it attended with on a few test texts."""
    made: list[Markup] = []
    arms = [arm for arm in comparison.arms if not arm.control]
    for arm in arms:
        seeds = comparison.results.get(arm.label, {})
        if seeds:
            seed = min(seeds)
            key = comparison.grid["trials"][arm.label][str(seed)]
            found = matrices(comparison.folder / "trials" / key, _ROOM // len(arms))
            made += [page.element("h3", f"{arm.label}, seed {seed}"), *found] if found else []
    return made


def matrices(trial: Path, room: int = _ROOM) -> list[Markup]:
    """The matrices of one trial, text after text; none where it kept nothing.

    What a trial's folder holds may come from somebody else; damage is told in the page.

    Args:
        trial: its folder.
        room: letters of markup that they may take together; what does not fit is counted.
    """
    if not (trial / MAPS).exists():
        return []
    try:
        with safe_open(trial / MAPS, framework="np") as file:
            texts = json.loads(file.metadata()["texts"])
            maps = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return _fitting(texts, maps, room)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, IndexError) as error:
        return [page.element("p", f"The maps kept in {trial / MAPS} cannot be shown: {error}.")]


def _fitting(
    texts: Sequence[Mapping[str, Any]], maps: Mapping[str, Array], room: int
) -> list[Markup]:
    """Text after text, as many matrices as there is room for, but one at least."""
    made: list[Markup] = []
    left_out = 0
    for number, text in enumerate(texts):
        drawn: list[Markup] = []
        for facts in _of_text(number, text, maps):
            one = None if left_out else page.matrix(*facts)
            if one is None or (len(one) > room and (made or drawn)):
                left_out += 1
                continue
            room -= len(one)
            drawn.append(one)
        made += _folded(drawn, text)
    if left_out:
        told = f"{left_out} more maps are kept in {MAPS}, too many for this page."
        made.append(page.element("p", told))
    return made


def _of_text(
    number: int, text: Mapping[str, Any], maps: Mapping[str, Array]
) -> Iterator[tuple[Array, list[str], list[str], str]]:
    """Weights, names of rows and columns, and caption of each matrix."""
    rows, columns = ([str(token) for token in text[side]] for side in ("rows", "columns"))
    places = [key for key in maps if key.split("/", 1)[0] == str(number)]
    for key in _ends(sorted(places)):
        heads = maps[key]
        place = key.split("/", 1)[1]
        for head, weights in enumerate(heads):
            which = f", head {head + 1}" if len(heads) > 1 else ""
            # A pooling looks once, at all tokens.
            names = rows if len(weights) == len(rows) else ["the text"] * len(weights)
            yield weights.clip(0, 1), names, columns, f"{place}{which}; {text['caption']}"


def _folded(drawn: list[Markup], text: Mapping[str, Any]) -> list[Markup]:
    """Several matrices of one text are opened together."""
    if len(drawn) < 2:
        return drawn
    label = f"{len(drawn)} maps of: {' '.join(map(str, text['columns']))}"
    return [page.element("details", page.element("summary", label), *drawn)]


def _ends(places: list[str]) -> list[str]:
    """The first and the last place, so that a deep network stays readable."""
    return places if len(places) < 3 else [places[0], places[-1]]
