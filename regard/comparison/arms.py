"""The arms of a comparison: which mechanism goes where, and the controls beside them."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from ..catalogue import card, options_of
from ..errors import RegardError, nearest
from ..networks import default_sites, first_convolution, last_stage
from ..surgery import Plugged, plug

PLAIN = "none"
CONTROLS = ("widened", "longer", "placebo")


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One network of a comparison, trained once a seed.

    Args:
        label: its name in tables; arms differ in it.
        mechanism: what is plugged, None for the plain network.
        options: of the mechanism.
        at: the site pattern; None puts it where its card says.
        width: of the host's channels, for the widened control.
        lengthened: factor on the epochs, for the control trained longer.
        placebo: the mechanism's statistics are replaced by their running means.
        control: it is there to be compared with, not a candidate.
    """

    label: str
    mechanism: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    at: str | None = None
    width: float = 1.0
    lengthened: float = 1.0
    placebo: bool = False
    control: bool = False

    def plug_into(self, model: nn.Module, example: Any, start: str) -> Plugged | None:
        """Plug this arm's mechanism into a host; None for the plain network."""
        if self.mechanism is None:
            return None
        place = card(self.mechanism).place
        at: Any = self.at or _default_place(place, model)
        return plug(model, self.mechanism, at, example=example, start=start, **self.options)

    def epochs(self, epochs: int) -> int:
        """Epochs that this arm is trained for."""
        return math.ceil(epochs * self.lengthened - 1e-9)


def parse_arms(text: str) -> tuple[Arm, ...]:
    """Arms from ``none,se,eca(kernel_size=5),cbam@layer3.*``; the plain network comes first.

    Each is a mechanism's name, then options in parentheses and ``@`` with a site pattern if wanted.

    Raises:
        RegardError: for an unknown mechanism or option, or one arm named twice.
    """
    arms = [_arm(part) for part in _split(text)]
    arms = [Arm(label=PLAIN), *(a for a in arms if a.mechanism is not None)]
    labels = [arm.label for arm in arms]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise RegardError(f"{twice!r} is named twice; each arm is trained once a seed anyway")
    if len(arms) == 1:
        raise RegardError(f"{text!r} names no mechanism; an example is none,se,cbam")
    return tuple(arms)


def parse_controls(text: str) -> tuple[str, ...]:
    """Controls from ``widened,longer,placebo`` or ``none``."""
    names = [name for name in _split(text) if name != "none"]
    for name in names:
        if name not in CONTROLS:
            raise RegardError(f"no control is called {name!r}{nearest(name, CONTROLS)}")
    return tuple(dict.fromkeys(names))


def placebos(arms: tuple[Arm, ...]) -> tuple[Arm, ...]:
    """For each gating mechanism the same one that cannot look at the sample."""
    gating = [a for a in arms if a.mechanism is not None and card(a.mechanism).start == "gate"]
    return tuple(
        replace(arm, label=f"{arm.label}, placebo", placebo=True, control=True) for arm in gating
    )


def _arm(text: str) -> Arm:
    match = re.fullmatch(r"([^(@]+)(?:\((.*)\))?(?:@(.+))?", text)
    if match is None:
        raise RegardError(f"{text!r} is no arm; the form is NAME, NAME(option=value) or NAME@SITES")
    name, written, at = match[1].strip(), match[2], match[3]
    if name == PLAIN:
        return Arm(label=PLAIN)
    known = options_of(card(name))
    options = dict(_option(part, name) for part in _split(written or ""))
    for option in options:
        if option not in known:
            raise RegardError(f"{name} has no option {option!r}{nearest(option, known)}")
    return Arm(label=text, mechanism=name, options=options, at=at)


def _option(text: str, name: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise RegardError(f"{text!r} is no option of {name}; the form is {name}(option=value)")
    try:
        return key.strip(), ast.literal_eval(value.strip())
    except (ValueError, SyntaxError):
        return key.strip(), value.strip()


def _split(text: str) -> list[str]:
    """Parts between commas that stand outside parentheses."""
    parts, depth = [""], 0
    for letter in text:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def _default_place(place: str, model: nn.Module) -> Any:
    if place == "branch":
        return default_sites(model)
    return first_convolution(model) if place == "input" else last_stage(model)
