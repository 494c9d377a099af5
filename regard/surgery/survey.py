"""sites: the places of a model where a mechanism can go, read by one run on an example."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from ..errors import RegardError
from ..page import aligned
from ..page import table as html_table
from .carrier import Side
from .patterns import At, host_modules, modules_at, unique
from .reading import Reading, Site
from .refusals import refuse_wrapped, resolve_container

_HEAD = ("site", "type", "layout", "channels", "shape", "calls")
_MOST_REFUSED = 3


@dataclass(frozen=True, slots=True)
class Sites:
    """The sites of a model, and why other modules are none."""

    found: tuple[Site, ...]
    refused: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Site]:
        return iter(self.found)

    def rows(self) -> list[tuple[str, ...]]:
        """Name, type, layout, channels, shape and calls of each site, as text."""
        return [
            (
                shown_name(site.name, site.side),
                site.kind,
                site.layout,
                str(site.channels),
                "×".join(map(str, site.shape)) if site.shape else "",
                str(site.calls),
            )
            for site in self.found
        ]

    def table(self) -> str:
        """The sites as aligned text, and why other modules are none, of the first few."""
        return "\n".join([aligned([_HEAD, *self.rows()]), *self._refusals()])

    def show(self) -> None:
        """Print the table."""
        print(self.table())

    def json(self) -> str:
        """Sites and refusals as JSON."""
        sites = [{**asdict(s), "dtype": str(s.dtype), "device": str(s.device)} for s in self.found]
        return json.dumps({"sites": sites, "refused": dict(self.refused)}, indent=2)

    def save(self, path: str | Path) -> None:
        """Write the JSON to a file."""
        Path(path).write_text(self.json(), encoding="utf-8")

    def _refusals(self) -> list[str]:
        """Lines of text below the table, none where every module asked for is a site."""
        if not self.refused:
            return []
        lines = [
            f"  {name or repr(name)}: {reason.removeprefix(f'site {name!r} ')}"
            for name, reason in self.refused.items()
        ]
        more = len(lines) - _MOST_REFUSED
        lines[_MOST_REFUSED:] = [f"  … and {more} more"] if more > 0 else []
        return ["", f"no sites: {len(self.refused)} of the modules asked for", *lines]

    def _repr_html_(self) -> str:
        rows: list[list[str | int]] = [
            [*row[:3], site.channels, row[4], site.calls]
            for row, site in zip(self.rows(), self.found, strict=True)
        ]
        caption = f"{len(rows)} sites; {len(self.refused)} other modules are none"
        return str(html_table(_HEAD, rows, caption, numeric=("channels", "calls")))

    __str__ = table


def sites(
    model: nn.Module,
    example: Any = None,
    at: At | None = None,
    *,
    before: bool = False,
    layout: str | None = None,
) -> Sites:
    """The sites of a model: a dry run of :func:`regard.plug`.

    Args:
        model: the host. It is run once without gradients in eval mode and left as it was.
        example: what the model is called with: a tensor, a tuple of arguments or a mapping of
            keyword arguments. Without it only modules whose type tells their layout are sites.
        at: which modules, as in :func:`regard.plug`; all by default, the model itself included.
        before: sites on the input of modules instead of on their output.
        layout: of all of them, where it cannot be told.

    Returns:
        The sites, and for every other module the reason why it is none.

    Raises:
        RegardError: if ``at`` matches nothing or the model cannot be run on the example.
    """
    refuse_wrapped(model)
    side: Side = "before" if before else "after"
    chosen = unique(host_modules(model)) if at is None else modules_at(model, at)
    resolved, refused = {}, {}
    for name, module in chosen.items():
        try:
            child_name, child = resolve_container(model, name, module, side)
            resolved[child_name] = child
        except RegardError as error:
            refused[name] = str(error)
    resolved = _in_order(model, resolved)
    reading = Reading.of(model, example, resolved, side, layout)
    found = []
    for name, module in resolved.items():
        try:
            found.append(reading.site(name, module))
        except RegardError as error:
            refused[name] = str(error)
    return Sites(tuple(found), refused)


def resolve_sites(
    model: nn.Module, at: At, side: Side, example: Any, layout: str | None
) -> tuple[list[Site], Any]:
    """Sites that all must do, and the model's output on the example.

    Raises:
        RegardError: if one of the modules that match cannot be a site.
    """
    refuse_wrapped(model)
    chosen = modules_at(model, at).items()
    resolved = dict(resolve_container(model, name, module, side) for name, module in chosen)
    resolved = _in_order(model, resolved)
    reading = Reading.of(model, example, resolved, side, layout)
    found = [reading.site(name, module) for name, module in resolved.items()]
    return found, None if reading.seen is None else reading.seen.output


def _in_order(model: nn.Module, modules: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    return {name: module for name, module in host_modules(model) if name in modules}


def shown_name(name: str, side: Side) -> str:
    """A site's name as tables show it."""
    return ("before " if side == "before" else "") + (name or '""')
