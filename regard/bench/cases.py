"""All cases of a scope, by the cards of its mechanisms."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import Parameter, signature
from typing import Any

import torch

from ..cards import Card
from ..catalogue import card, get
from ..checks.specimen import specimen
from ..comparison.arms import Arm
from ..errors import RegardError
from ..networks import input_channels, input_size
from ..ops import overwriting, using
from .case import Case, Layout, Mode, Shape, shown
from .scope import Scope

_MAPS = {1: (8, 256, 3136), 2: (8, 256, 56, 56), 3: (4, 64, 16, 28, 28)}
_IMAGES = (16, 3, 224, 224)  # for what stands before the first convolution
_TOKENS = (8, 256, 256)
_GROWING_MAP, _GROWING_TOKENS = (4, 128, 28, 28), (4, 64, 128)
_FACTORS = (0.25, 0.5, 1, 2, 4)
_HALVES = (0.25, 0.5, 1, 2)  # of a side: the work grows with its square


def cases(scope: Scope) -> list[Case]:
    """All cases, in the order of the parts.

    Raises:
        RegardError: for a mechanism that takes neither a map nor tokens, or a shape that none of
            the mechanisms takes.
    """
    arms = scope.arms()
    for arm in arms:
        _refuse(arm)
    for shape in scope.shapes:
        if not any(len(shape) - 2 in _dimensions(_card(arm)) for arm in arms):
            raise RegardError(f"none of {scope.mechanisms} takes the shape {shown(shape)}")
    found: list[Case] = []
    if scope.asks_for("modules"):
        found += [case for arm in arms for case in _modules(arm, scope)]
    if scope.asks_for("networks"):
        found += [case for arm in arms for case in _networks(arm, scope)]
    if scope.asks_for("growth"):
        found += [case for arm in arms for case in _growth(arm, scope)]
    return found


def _refuse(arm: Arm) -> None:
    takes = _card(arm).takes
    if takes not in ("map", "tokens"):
        raise RegardError(
            f"{arm.label} takes {takes}; bench measures what takes a map or tokens so far"
        )
    if arm.at is not None:
        raise RegardError(f"{arm.label}: bench puts a mechanism where its card says, without @")


def _card(arm: Arm) -> Card:
    return card(arm.mechanism or "")


def _modules(arm: Arm, scope: Scope) -> Iterator[Case]:
    modes: tuple[Mode, ...] = ("inference", "training")
    if writes_over(arm):
        modes = ("inference", "in place", "training")
    for shape in _shapes(arm, scope):
        for layout in _layouts(arm, shape):
            for mode in modes:
                yield Case(
                    part="modules", mechanism=arm.label, shape=shape, layout=layout, mode=mode
                )


def _shapes(arm: Arm, scope: Scope) -> list[Shape]:
    """The shapes that were asked for and fit, or else the default one."""
    found = _card(arm)
    fitting = [shape for shape in scope.shapes if len(shape) - 2 in _dimensions(found)]
    if found.takes == "tokens":
        return fitting or [_TOKENS]
    return fitting or [_IMAGES if found.place == "input" else _MAPS[_dims(found)]]


def _dimensions(found: Card) -> set[int]:
    """Spatial dimensions; three numbers are tokens, but for what takes nothing else than lines."""
    return {1} if found.takes == "tokens" else {d for d in found.dims if d > 1} or set(found.dims)


def _dims(found: Card) -> int:
    return 2 if 2 in found.dims else found.dims[0]


def _layouts(arm: Arm, shape: Shape) -> tuple[Layout, ...]:
    if _card(arm).takes == "tokens":
        return ("tokens",)
    return ("first", "last") if len(shape) > 3 else ("first",)


def _networks(arm: Arm, scope: Scope) -> Iterator[Case]:
    size = scope.size or input_size(scope.on) or 32
    shape = (scope.batch, input_channels(scope.on) or 3, size, size)
    layouts: tuple[Layout, ...] = ("first", "last")
    modes: tuple[Mode, ...] = ("inference", "training")
    if not scope.parts and _card(arm).takes != "map":
        return  # in short: only what is made for a network of images
    for layout in layouts:
        for mode in modes:
            yield Case(
                part="networks", mechanism=arm.label, shape=shape, layout=layout, mode=mode,
                host=scope.on,
            )  # fmt: skip


def _growth(arm: Arm, scope: Scope) -> Iterator[Case]:
    found = _card(arm)
    tokens = found.takes == "tokens"
    if not tokens and 2 not in found.dims:
        return
    layout: Layout = "tokens" if tokens else "first"
    modes: tuple[Mode, ...] = ("inference", "training") if scope.parts else ("training",)
    for mode in modes:
        for along, shape in _grown(tokens):
            if not _takes_size(arm, shape[-1] if tokens else shape[1]):
                continue
            yield Case(
                part="growth", mechanism=arm.label, shape=shape, layout=layout, mode=mode,
                along=along,
            )  # fmt: skip


def _grown(tokens: bool) -> Iterator[tuple[str, Shape]]:
    if tokens:
        b, n, d = _GROWING_TOKENS
        yield from (("batch", (int(b * f), n, d)) for f in _FACTORS)
        yield from (("length", (b, int(n * f), d)) for f in _FACTORS)
        yield from (("width", (b, n, int(d * f))) for f in _FACTORS)
        return
    b, c, h, w = _GROWING_MAP
    yield from (("batch", (int(b * f), c, h, w)) for f in _FACTORS)
    yield from (("side", (b, c, int(h * f), int(w * f))) for f in _HALVES)
    yield from (("channels", (b, int(c * f), h, w)) for f in _FACTORS)


def _takes_size(arm: Arm, size: int) -> bool:
    """Whether a mechanism of the arm can be built for so many channels or features."""
    try:
        get(arm.mechanism or "", size, **options_for(arm, _dims(_card(arm))))
    except RegardError:
        return False
    return True


def options_for(arm: Arm, dims: int) -> dict[str, Any]:
    """The arm's options, the dimensions where they are one, and what has no default by the card."""
    found = _card(arm)
    known = signature(found.module).parameters
    given = {n: v for n, v in found.options.items() if known[n].default is Parameter.empty}
    if "dims" in known:
        given["dims"] = dims
    return {**given, **arm.options}


def writes_over(arm: Arm) -> bool:
    """Whether a mechanism writes over its input where its owner allows that; tried on a small map.

    Raises:
        RegardError: if it cannot be built.
    """
    found = _card(arm)
    if found.takes != "map":
        return False
    dims, size = _dims(found), specimen(found).size
    options = {**found.options, **options_for(arm, dims)}  # of the card: the size may need them
    module = get(arm.mechanism or "", size, **options).eval()
    x = torch.zeros(2, size, *(4,) * dims)
    with torch.no_grad(), using("cpu"), overwriting(x):
        return bool(module(x).data_ptr() == x.data_ptr())
