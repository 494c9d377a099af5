"""The arms of a comparison: which mechanism goes where, and the controls beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from ..cards import Card
from ..catalogue import card, is_own, options_of
from ..errors import RegardError, nearest
from ..networks import default_sites, first_convolution, last_stage
from ..networks.sequences.aligners import KINDS as ALIGNERS
from ..surgery import Plugged, plug
from ..tasks.grammar import as_tuple, options_from, parts_of, split
from ..tasks.network import NETWORKS, Network
from ..tasks.network import options_of as network_options

PLAIN = "none"
CONTROLS = ("widened", "longer", "placebo")
_PLACE = ("device", "dtype")


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One network of a comparison, trained once a seed.

    Args:
        label: its name in tables; arms differ in it.
        mechanism: what is plugged, or built into a network for text; None for the plain network.
        options: of the mechanism.
        at: site patterns joined by ``+``; None puts it where its card says.
        width: of the host's channels, for the widened control.
        lengthened: factor on the epochs, for the control trained longer.
        placebo: the mechanism's statistics are replaced by their running means.
        control: it is there to be compared with, not a candidate.
        on: for text, a network that takes the place of the host; then the options are its own.
    """

    label: str
    mechanism: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    at: str | None = None
    width: float = 1.0
    lengthened: float = 1.0
    placebo: bool = False
    control: bool = False
    on: str | None = None

    def network(self, host: str, kind: str, pretrained: bool = False) -> Network:
        """What a task is to build: the host, or this arm's own network.

        Into a network for text attention is built; into a host for images it is plugged later.

        Args:
            host: its name, for text with options if wanted.
            kind: of the task.
            pretrained: load published weights.

        Raises:
            RegardError: if there is no such host.
        """
        if self.on is not None:
            return Network(name=self.on, options=self.options, width=self.width)
        found = replace(Network.parse(host, kind), width=self.width, pretrained=pretrained)
        if kind == "images":
            return found
        mechanism = self.mechanism or PLAIN
        return replace(found, attention=mechanism, attention_options=self.options)

    def plug_into(self, model: nn.Module, example: Any, start: str) -> Plugged | None:
        """Plug this arm's mechanism into a host; None for the plain network.

        Raises:
            RegardError: for a site pattern that matches nothing, a value that an option cannot
                take, or a host without a usual place where no sites are given.
        """
        if self.mechanism is None:
            return None
        at: Any = _patterns(self.at) if self.at else _default_place(self.mechanism, model)
        options = {"start": start, **{name: as_tuple(v) for name, v in self.options.items()}}
        try:
            return plug(model, self.mechanism, at, example=example, **options)
        except RegardError as error:
            raise RegardError(f"{self.label}: {error}") from error

    def epochs(self, epochs: int) -> int:
        """Epochs that this arm is trained for."""
        return math.ceil(epochs * self.lengthened - 1e-9)

    def identity(self) -> dict[str, Any]:
        """What of it decides a training, beside the epochs: neither its name nor its role."""
        names = ("on", "mechanism", "options", "at", "width", "placebo")
        return {name: getattr(self, name) for name in names}


def parse_arms(text: str, kind: str = "images") -> tuple[Arm, ...]:
    """Arms from ``none,se,eca(kernel_size=5),cbam@layer3.*``; the plain network comes first.

    Each is a mechanism's name, then options in parentheses if wanted, then ``@`` and a site pattern
    or several joined by ``+``, as of :func:`regard.plug`.

    For text, ``none,dot,transformer(heads=8)``: an attention is built into the host, where it has
    its place; the name of a network stands for that network alone. Without ``none`` the others are
    compared with the first.

    Args:
        text: as above.
        kind: of the task.

    Raises:
        RegardError: for an unknown mechanism or option, or one arm given twice.
    """
    images = kind == "images"
    arms = [arm_of(part, kind) for part in split(text)]
    if images and all(arm.mechanism is None for arm in arms):
        raise RegardError(f"{text!r} names no mechanism; an example is none,se,cbam")
    if images:
        arms = [Arm(label=PLAIN), *(arm for arm in arms if arm.mechanism is not None)]
    elif len(arms) < 2:
        raise RegardError(
            f"{text!r} names {len(arms)} networks; two are compared, such as "
            f"{PLAIN},multihead or {','.join(NETWORKS[kind][-2:])}"
        )
    arms.sort(key=lambda arm: arm.label != PLAIN)
    for index, arm in enumerate(arms):
        same = next((a for a in arms[:index] if a.identity() == arm.identity()), None)
        if same is not None:
            raise RegardError(
                f"{arm.label!r} is given twice; each arm is trained once a seed anyway"
            )
    return tuple(arms)


def arm_of(text: str, kind: str) -> Arm:
    """One arm, written as in :func:`parse_arms`."""
    return _arm(text) if kind == "images" else _arm_on_text(text, kind)


def plain_arm(host: str, kind: str) -> Arm:
    """A host as it is by itself: for text with the attention that it has or its options say."""
    if kind == "images":
        return Arm(label=PLAIN)
    network = Network.parse(host, kind)
    return Arm(label=host, on=network.name, options=network.options)


def parse_controls(text: str) -> tuple[str, ...]:
    """Controls from ``widened,longer,placebo`` or ``none``, each once.

    Raises:
        RegardError: for an unknown one.
    """
    names = [name for name in split(text) if name != "none"]
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
    name, written, at = parts_of(text)
    if name == PLAIN and written is None and at is None:
        return Arm(label=PLAIN)
    if name == PLAIN:
        raise RegardError(f"{text!r}: the plain network takes neither options nor sites")
    found = card(name)
    options = options_from(found.name, written or "", _free(found))
    mechanism = name if is_own(name) else found.name
    return Arm(label=text, mechanism=mechanism, options=options, at=at)


def _arm_on_text(text: str, kind: str) -> Arm:
    name, written, at = parts_of(text)
    if at is not None:
        raise RegardError(f"{text!r}: sites are for images; on text each attention has its place")
    if name == PLAIN and written is None:
        return Arm(label=PLAIN)
    if name in NETWORKS[kind]:
        options = options_from(name, written or "", network_options(name, kind))
        return Arm(label=text, on=name, options=options)
    if kind == "translation" and name in ALIGNERS:
        options = options_from(name, written or "", ("window",) if name == "local_p" else ())
        return Arm(label=text, mechanism=name, options=options)
    try:
        found = card(name)
    except RegardError as error:
        known = f"networks for {kind}: {', '.join(NETWORKS[kind])}"
        raise RegardError(f"{error}\n{known}") from None
    options = options_from(found.name, written or "", _free(found, ("start",)))
    return Arm(label=text, mechanism=found.name, options=options)


def _free(found: Card, taken: tuple[str, ...] = ()) -> list[str]:
    """The options that are not given by the network: it says size, device and type."""
    return [o for o in [*options_of(found)][1:] if o not in (*_PLACE, *taken)]


def _patterns(at: str) -> list[str]:
    return [at] if at.startswith("re:") else [part.strip() for part in at.split("+")]


def _default_place(mechanism: str, model: nn.Module) -> Any:
    place = card(mechanism).place
    if place == "branch":
        return default_sites(model)
    return first_convolution(model) if place == "input" else last_stage(model)
