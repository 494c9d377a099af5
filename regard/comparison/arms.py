"""The arms of a comparison: which mechanism goes where, and the controls beside them."""

from __future__ import annotations

import ast
import json
import math
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
_FORM = "NAME, NAME(option=value), NAME@SITES or NAME(option=value)@SITES"
_CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One network of a comparison, trained once a seed.

    Args:
        label: its name in tables; arms differ in it.
        mechanism: what is plugged, None for the plain network.
        options: of the mechanism.
        at: site patterns joined by ``+``; None puts it where its card says.
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
        """Plug this arm's mechanism into a host; None for the plain network.

        Raises:
            RegardError: for a site pattern that matches nothing, a value that an option cannot
                take, or a host without a usual place where no sites are given.
        """
        if self.mechanism is None:
            return None
        at: Any = _patterns(self.at) if self.at else _default_place(self.mechanism, model)
        options = {"start": start, **{name: _as_tuple(v) for name, v in self.options.items()}}
        try:
            return plug(model, self.mechanism, at, example=example, **options)
        except RegardError as error:
            raise RegardError(f"{self.label}: {error}") from error

    def epochs(self, epochs: int) -> int:
        """Epochs that this arm is trained for."""
        return math.ceil(epochs * self.lengthened - 1e-9)

    def identity(self) -> dict[str, Any]:
        """What of it decides a training, beside the epochs: neither its name nor its role."""
        names = ("mechanism", "options", "at", "width", "placebo")
        return {name: getattr(self, name) for name in names}


def parse_arms(text: str) -> tuple[Arm, ...]:
    """Arms from ``none,se,eca(kernel_size=5),cbam@layer3.*``; the plain network comes first.

    Each is a mechanism's name, then options in parentheses if wanted, then ``@`` and a site pattern
    or several joined by ``+``, as of :func:`regard.plug`.

    Raises:
        RegardError: for an unknown mechanism or option, or one arm given twice.
    """
    arms = [_arm(part) for part in _split(text)]
    if all(arm.mechanism is None for arm in arms):
        raise RegardError(f"{text!r} names no mechanism; an example is none,se,cbam")
    arms = [Arm(label=PLAIN), *(arm for arm in arms if arm.mechanism is not None)]
    for index, arm in enumerate(arms):
        same = next((a for a in arms[:index] if a.identity() == arm.identity()), None)
        if same is not None:
            raise RegardError(
                f"{arm.label!r} is given twice; each arm is trained once a seed anyway"
            )
    return tuple(arms)


def parse_controls(text: str) -> tuple[str, ...]:
    """Controls from ``widened,longer,placebo`` or ``none``, each once.

    Raises:
        RegardError: for an unknown one.
    """
    names = [name for name in _split(text) if name != "none"]
    for name in names:
        if name not in CONTROLS:
            raise RegardError(f"no control is called {name!r}{nearest(name, [*CONTROLS, 'none'])}")
    return tuple(dict.fromkeys(names))


def placebos(arms: tuple[Arm, ...]) -> tuple[Arm, ...]:
    """For each gating mechanism the same one that cannot look at the sample."""
    gating = [a for a in arms if a.mechanism is not None and card(a.mechanism).start == "gate"]
    return tuple(
        replace(arm, label=placebo_label(arm.label), placebo=True, control=True) for arm in gating
    )


def placebo_label(label: str) -> str:
    """The label of an arm's placebo."""
    return f"{label}, placebo"


def _arm(text: str) -> Arm:
    name, written, at = _parts(text)
    if name == PLAIN and written is None and at is None:
        return Arm(label=PLAIN)
    if name == PLAIN:
        raise RegardError(f"{text!r}: the plain network takes neither options nor sites")
    found = card(name)
    options = _options(found.name, written or "", list(options_of(found)))
    own = ":" in name or name.endswith(".py")
    return Arm(label=text, mechanism=name if own else found.name, options=options, at=at)


def _parts(text: str) -> tuple[str, str | None, str | None]:
    """Name, what stands in its parentheses, and sites; None for what is not there."""
    end = min((text.find(sign) for sign in "(@" if sign in text), default=len(text))
    name, rest, written = text[:end].strip(), text[end:], None
    if rest.startswith("("):
        close = _closing(rest)
        written, rest = rest[1:close], rest[close + 1 :].strip()
    at = rest[1:].strip() if rest.startswith("@") else None
    if not name or at == "" or (rest and at is None):
        raise RegardError(f"{text!r} is no arm; the form is {_FORM}")
    return name, written, at


def _closing(text: str) -> int:
    """Where the bracket closes that the text begins with."""
    open_ones: list[str] = []
    for index, letter in enumerate(text):
        if letter in _CLOSING:
            open_ones.append(_CLOSING[letter])
        elif open_ones and letter == open_ones[-1]:
            open_ones.pop()
            if not open_ones:
                return index
    raise RegardError(f"{text!r} has a bracket that is not closed; the form is {_FORM}")


def _options(name: str, written: str, known: list[str]) -> dict[str, Any]:
    """Options as written; the network gives a mechanism its size, device and type."""
    free = [option for option in known[1:] if option not in ("device", "dtype")]
    options: dict[str, Any] = {}
    for part in _split(written):
        option, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise RegardError(f"{part!r} is no option of {name}; the form is {name}(option=value)")
        if option not in free:
            raise RegardError(f"{name} takes no option {option!r} here{nearest(option, free)}")
        if option in options:
            raise RegardError(f"{name}: the option {option!r} is given twice")
        options[option] = _value(value, f"{name}({option}=…)")
    return options


def _value(text: str, where: str) -> Any:
    """A number, True, False, None, a quoted text or a tuple of these; any other word is a text."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        raise RegardError(
            f"{where}: {text} is no number, text, True, False, None or list of these"
        ) from None


def _as_tuple(value: Any) -> Any:
    """Lists, as JSON knows them, back to tuples."""
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value


def _split(text: str) -> list[str]:
    """Parts between commas that stand outside brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in _CLOSING) - (letter in _CLOSING.values())
        if letter == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def _patterns(at: str) -> list[str]:
    return [at] if at.startswith("re:") else [part.strip() for part in at.split("+")]


def _default_place(mechanism: str, model: nn.Module) -> Any:
    place = card(mechanism).place
    if place == "branch":
        return default_sites(model)
    return first_convolution(model) if place == "input" else last_stage(model)
