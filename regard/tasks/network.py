"""What network is asked of a task: by name, with options, with an attention put into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import RegardError, nearest
from ..networks.sequences import ENCODERS
from .grammar import as_tuple, options_from, parts_of

TRANSLATORS = ("gru", "lstm", "transformer")
_RECURRENT = ("dim", "layers", "attention", "wiring", "feeding", "window", "dropout")
_STACKED = ("dim", "layers", "heads", "attention", "positions", "dropout")
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "gru": _RECURRENT,
    "lstm": _RECURRENT,
    "transformer": _STACKED,
    "bag": ("dim", "heads", "dropout"),
    "convolution": ("dim", "layers", "heads", "dropout"),
    "bigru": ("dim", "layers", "heads", "dropout"),
    "bilstm": ("dim", "layers", "heads", "dropout"),
    "bigru_attention": ("dim", "layers", "heads", "attention", "dropout"),
}
NETWORKS: Mapping[str, tuple[str, ...]] = {
    "translation": TRANSLATORS,
    "tagging": ENCODERS,
    "classification": ENCODERS,
}
"""Kind of a task on text → its networks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """A network by name.

    Args:
        name: for images a host, see :func:`regard.networks.build_host`; for text one of
            ``NETWORKS``.
        options: of the network; hosts for images have none.
        attention: its name in the catalogue, put into a network for text: None for what the network
            has by itself, ``none`` for none.
        attention_options: further options of that attention.
        width: factor on its channels or features.
        pretrained: load published weights; only hosts for images.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    attention: str | None = None
    attention_options: Mapping[str, Any] = field(default_factory=dict)
    width: float = 1.0
    pretrained: bool = False

    @classmethod
    def parse(cls, text: str, kind: str) -> Network:
        """A network for a kind of task from ``gru(dim=96)``; for images the name is the host.

        Raises:
            RegardError: for a name or an option that the kind does not have.
        """
        if kind == "images":
            return cls(name=text)
        name, written, at = parts_of(text)
        known = NETWORKS[kind]
        if name not in known or at is not None:
            raise RegardError(
                f"no network for {kind} is called {text!r}{nearest(name, known)}; "
                f"what works: {', '.join(known)}, each with options: {known[-1]}(dim=128)"
            )
        return cls(name=name, options=options_from(name, written or "", options_of(name, kind)))

    def size(self, dim: int) -> int:
        """D: its own, or else ``dim``, times the width; then a multiple of twice its heads."""
        dim = self.options.get("dim", dim)
        if self.width == 1:
            return dim
        unit = 2 * int(self.options.get("heads", 4))
        return max(unit, unit * round(dim * self.width / unit))

    def settings(self) -> dict[str, Any]:
        """Its options but for the size, lists as tuples."""
        return {name: as_tuple(v) for name, v in self.options.items() if name != "dim"}


def options_of(name: str, kind: str) -> tuple[str, ...]:
    """The options of a network on text; a classifier also chooses how it pools."""
    return (*_OPTIONS[name], *(("pooling",) if kind == "classification" else ()))
