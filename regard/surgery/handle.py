"""A handle on what is plugged into a model: find it, switch it, take it out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from ..page import aligned
from ..page import table as html_table
from .carrier import SIDES, Attachment, Side, attachment_of, detach, release_hosts
from .patterns import host_modules, unique
from .survey import shown_name

_HEAD = ("site", "mechanism", "layout", "parameters", "on")


class Plugged:
    """A handle on mechanisms inside a model.

    Args:
        model: the host.
        places: site name and side of each mechanism.
        drift: largest change of the model's output at the moment of plugging, None if unknown.
    """

    def __init__(
        self, model: nn.Module, places: list[tuple[str, Side]], drift: float | None = None
    ) -> None:
        self.model = model
        self.places = tuple(places)
        self.drift = drift

    def attachments(self) -> dict[tuple[str, Side], Attachment]:
        """What is plugged, by site name and side."""
        modules = dict(host_modules(self.model))
        found = {}
        for name, side in self.places:
            attachment = attachment_of(modules[name], side) if name in modules else None
            if attachment is not None:
                found[name, side] = attachment
        return found

    def mechanisms(self) -> dict[str, nn.Module]:
        """The mechanisms themselves, by site name (``before NAME`` for those on an input)."""
        return {
            name if side == "after" else f"before {name}": a.mechanism
            for (name, side), a in self.attachments().items()
        }

    def parameters(self) -> Iterator[nn.Parameter]:
        """The parameters of all mechanisms, for an optimizer; each once."""
        yield from nn.ModuleList(self.attachments().values()).parameters()

    def off(self) -> None:
        """Let the model run as if nothing were plugged."""
        self._switch(False)

    def on(self) -> None:
        """Undo :meth:`off`."""
        self._switch(True)

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """Off inside the ``with`` block, then as before."""
        before = {place: a.enabled for place, a in self.attachments().items()}
        self.off()
        try:
            yield
        finally:
            for place, attachment in self.attachments().items():
                attachment.enabled = before.get(place, True)

    def remove(self) -> None:
        """Take the mechanisms out; the model is then exactly what it was."""
        for name, side in self.attachments():
            detach(self.model.get_submodule(name), side)
        release_hosts(self.model)

    def rows(self) -> list[tuple[str, str, str, int, str]]:
        """Site, mechanism, layout, number of parameters, and whether it is on."""
        return [
            (
                shown_name(name, side),
                str(a.record["mechanism"]),
                a.layout,
                sum(p.numel() for p in a.parameters()),
                "yes" if a.enabled else "no",
            )
            for (name, side), a in self.attachments().items()
        ]

    def table(self) -> str:
        """What is plugged where, and what it costs, as aligned text."""
        rows = [(*row[:3], f"{row[3]:,}", row[4]) for row in self.rows()]
        return "\n".join([aligned([_HEAD, *rows]), *self._drift()])

    def show(self) -> None:
        """Print the table."""
        print(self.table())

    def __len__(self) -> int:
        return len(self.attachments())

    def _repr_html_(self) -> str:
        caption = "; ".join([f"plugged into {type(self.model).__name__}", *self._drift()])
        return str(html_table(_HEAD, self.rows(), caption))

    __repr__ = table

    def _drift(self) -> list[str]:
        return [] if self.drift is None else [f"output changed by {self.drift:.2g} at plugging"]

    def _switch(self, on: bool) -> None:
        for attachment in self.attachments().values():
            attachment.enabled = on


def plugged(model: nn.Module) -> Plugged:
    """A handle on everything plugged into a model, also into a copy or a reloaded one."""
    return Plugged(model, places_of(model))


def unplug(model: nn.Module) -> None:
    """Take everything out of a model; it is then exactly what it was."""
    plugged(model).remove()


def places_of(model: nn.Module) -> list[tuple[str, Side]]:
    """Site name and side of all that is plugged, each module once."""
    modules = unique(host_modules(model))
    return [(n, side) for n, m in modules.items() for side in SIDES if attachment_of(m, side)]
