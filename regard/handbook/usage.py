"""The code that gets, plugs and cites a mechanism, and why some are not plugged at a site."""

from __future__ import annotations

import inspect

from ..cards import Card
from ..errors import RegardError
from ..surgery.refusals import refuse_kind

_SITES = {"branch": "layer*.*.bn3", "stage": "layer4", "input": "conv1"}  # of a resnet50
_SIZES = {"channels": "256", "dim": "256", "heads": "8"}


def code(card: Card) -> str:
    """Python that gets it, plugs it into a resnet50 where it can be plugged, and cites it."""
    name = f'"{card.name}"'
    lines = ["import regard", "", f"module = regard.get({name}{_arguments(card)})"]
    if not refusal(card):
        start = ', start="paper"' if card.start == "none" else ""
        lines.append(
            f'handle = regard.plug(resnet50, {name}, at="{_SITES[card.place]}", '
            f"example=images{start})"
        )
    return "\n".join([*lines, f"print(regard.cite({name}))"])


def refusal(card: Card) -> str:
    """Why it is not plugged at a site, and what works; empty where it is plugged."""
    try:
        refuse_kind(card)
    except RegardError as error:
        return str(error).partition("cannot be plugged: ")[2]
    return ""


def _arguments(card: Card) -> str:
    """The size, and the card's options where the constructor has no default."""
    parameters = list(inspect.signature(card.module).parameters.values())
    given = [_SIZES[p.name] for p in parameters[:1] if p.name in _SIZES]
    given += [
        f"{p.name}={card.options[p.name]!r}"
        for p in parameters[len(given) :]
        if p.default is p.empty and p.name in card.options
    ]
    return "".join(f", {text}" for text in given)
