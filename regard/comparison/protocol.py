"""How a comparison was done, in words."""

from __future__ import annotations

from typing import Any

from .. import page
from ..page import Markup
from .arms import Arm
from .result import Comparison
from .wording import name_of

_ITEMS = {"images": "an image", "classification": "a text"}


def item_of(comparison: Comparison) -> str:
    """``an image``, ``a sentence`` or ``a text``."""
    return _ITEMS.get(comparison.grid["kind"], "a sentence")


def plain_of(comparison: Comparison) -> str:
    """What the arms are compared with, in words."""
    images = comparison.grid["kind"] == "images"
    return "the plain network" if images else f"'{comparison.reference}'"


def protocol(comparison: Comparison) -> list[Markup | str]:
    """Data, network, budget, statistics, controls."""
    grid = comparison.grid
    budget: dict[str, Any] = grid["budget"]
    done, total = comparison.done
    images = grid["kind"] == "images"
    same = " the same host weights and" if images else ""
    start = f"; mechanisms with the start '{grid['start']}'" if images else ""
    clip = f", gradients clipped at norm {budget['clip']:g}" if budget.get("clip") else ""
    weights = "published weights" if grid["pretrained"] else "from scratch"
    epochs = "1 epoch" if budget["epochs"] == 1 else f"{budget['epochs']} epochs"
    controls = [_size(arm, budget["epochs"], images) for arm in comparison.arms if arm.control]
    return [
        page.element("pre", grid["data"]["text"]),
        f"Network: {grid['host']}, {weights}{start}. "
        f"{epochs} of AdamW, batch {budget['batch']}, learning rate up to "
        f"{budget['rate']:g}, weight decay {budget['decay']:g}{clip}, on {grid['device']}. "
        f"{done} of {total} trials are finished.",
        f"The {name_of(comparison.measure)} is that of the last epoch on test; nothing was chosen "
        f"on test. One seed gives all arms{same} the same order of the data. Intervals are "
        "t-intervals of each difference over seeds, uncorrected; verdicts are corrected (Holm) for "
        "the number of mechanisms. The controls are a family of their own, and so is each control "
        "that mechanisms are held against; all placebos together are one. Inference is over "
        "training seeds on this one test set, not over other data.",
        *([f"Controls: {'; '.join(controls)}."] if controls else []),
    ]


def _size(arm: Arm, epochs: int, images: bool) -> str:
    """How large a control is."""
    if arm.placebo:
        return f"'{arm.label}' squeezes running means instead of the sample"
    if arm.lengthened != 1:
        return f"'{arm.label}' is trained for {arm.epochs(epochs)} epochs instead of {epochs}"
    return f"'{arm.label}' has {arm.width:g} times the {'channels' if images else 'features'}"
