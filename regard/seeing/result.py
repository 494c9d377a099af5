"""Maps: what a model attended with, as one value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save as to_bytes
from torch import Tensor

from ..errors import RegardError, nearest
from ..maps import KINDS, Map, Recording
from ..page import Page, aligned, capital, printable
from ..page import table as html_table
from ..surgery.patterns import expression_of
from ..training.checkpoint import write_whole
from .canvas import Scene, picture_of

HEAD = ("site", "what", "shape", "maps", "least", "greatest")
NUMBERS = HEAD[3:]
ITSELF = "the model itself"  # a site without a name
_MOST_PICTURES = 24


@dataclass(frozen=True, eq=False)
class Maps:
    """The maps of a model's forwards, in the order in which they were made.

    ``maps[3]`` is one :class:`regard.maps.Map`; ``maps["blocks.*.attn"]``, ``maps["weights"]`` and
    ``maps["blocks.3", "weights"]`` are the maps at these sites, of this kind, or both. A kind is
    ``weights``, ``gate``, ``shares``, ``theta``, ``points`` or ``sampled``, or in words
    ``channel gate``, ``spatial gate``, ``coordinate gate``.

    Args:
        found: the maps; filled while the ``with`` block of :func:`regard.see` runs.
        model: what was looked at, in words.
        recording: knows what was left out; None for a part of other maps.
    """

    found: list[Map]
    model: str = "a model"
    recording: Recording | None = None

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Map]:
        return iter(self.found)

    def __getitem__(self, wanted: int | str | tuple[str, str]) -> Map | Maps:
        if isinstance(wanted, int):
            return self.found[wanted]
        return self.at(*wanted) if isinstance(wanted, tuple) else self.at(wanted)

    def at(self, site: str = "**", kind: str | None = None) -> Maps:
        """The maps at the sites of a glob, or inside of them, and of a kind.

        Args:
            site: a glob on dotted names as for :func:`regard.plug`, or a kind alone.
            kind: of maps, as above; None: any.

        Raises:
            RegardError: where there is none, naming the nearest.
        """
        if kind is None and site in self._kinds():
            site, kind = "**", site
        inside = expression_of(site)
        chosen = [m for m in self.found if kind in (None, m.kind, m.form)]
        chosen = [m for m in chosen if site == "**" or _within(m.site, inside)]
        if not chosen:
            raise RegardError(self._missing(site, kind))
        return Maps(chosen, self.model)

    def arrays(self) -> dict[str, npt.NDArray[np.floating]]:
        """Every map as an array, by ``site/kind/call``."""
        return {key: values.numpy() for key, values in self._tensors().items()}

    def table(self) -> str:
        """Sites, kinds, shapes and ranges as aligned text, and what was left out."""
        lines = [aligned([HEAD, *self.rows()])] if self.found else []
        return printable("\n".join([*lines, *self.notes()]))

    def show(self) -> None:
        """Print the table."""
        print(self.table())

    def notes(self) -> list[str]:
        """What should be known beside the maps, in sentences."""
        said = []
        left_out = 0 if self.recording is None else self.recording.left_out
        if not self.found and not left_out:
            said.append(
                f"no map of {self.model} was seen: run it inside the with block; a network without "
                "attention or gates has none"
            )
        pooled = [m for m in self.found if m.pooled != (1, 1)]
        if pooled:
            said.append(
                f"{_counted(len(pooled), 'long map')} summarised: neighbouring keys are summed, "
                "queries averaged (Keep(longest=None) or Keep(queries=…) for the whole)"
            )
        if self.recording is not None and left_out:
            said.append(
                f"{_counted(left_out, 'map')} left out, beyond {self.recording.keep.most:,} bytes; "
                "Keep(at=…, heads=…, most=…) chooses"
            )
        return said

    def save(self, path: str | Path) -> None:
        """Write all maps to a ``.safetensors`` file, by ``site/kind/call``.

        Raises:
            RegardError: for another suffix, or a file that cannot be written.
        """
        path = Path(path).expanduser()
        if path.suffix != ".safetensors":
            raise RegardError(f"{path}: maps are saved as .safetensors; .write_html writes a page")
        frames = {k: m.frame for k, m in zip(self._keys(), self.found, strict=True) if m.frame}
        header = {"model": self.model, "frames": json.dumps(frames)}
        write_whole(path, to_bytes(self._tensors(), header))

    def page(self, scene: Scene | None = None) -> Page:
        """A page: the table, and a picture of each of the first maps."""
        shown = Page(f"What {self.model} attends to", lead=" ".join(self.notes()))
        shown.add("Maps", html_table(HEAD, self.rows(), "All maps, by site", NUMBERS))
        for found in _steps_together(self.found)[:_MOST_PICTURES]:
            title = capital(f"{found.form} at {found.site or ITSELF}")
            shown.add(title, *picture_of(found, scene or Scene()))
        return shown

    def write_html(self, path: str | Path) -> Path:
        """Write the page whole or not at all. Returns the path.

        Raises:
            RegardError: the file cannot be written.
        """
        return self.page().write_html(path)

    def open(self) -> Path:
        """Show the page in the browser. Returns its path.

        Raises:
            RegardError: the file cannot be written, or there is no browser.
        """
        return self.page().open()

    def _repr_html_(self) -> str:
        return self.page()._repr_html_()

    def __str__(self) -> str:
        return self.table()

    def rows(self) -> list[tuple[str, ...]]:
        """One row for maps of one site, form and shape."""
        groups: dict[tuple[str, str, str], list[Tensor]] = {}
        for m in self.found:
            shape = "×".join(map(str, m.values.shape))
            groups.setdefault((m.site, m.form, shape), []).append(m.values)
        return [
            (
                key[0] or ITSELF,
                *key[1:],
                str(len(v)),
                f"{min(map(_least, v)):.3g}",
                f"{max(map(_greatest, v)):.3g}",
            )
            for key, v in groups.items()
        ]

    def _keys(self) -> list[str]:
        return [f"{m.site}/{m.kind}/{m.call}" for m in self.found]

    def _tensors(self) -> dict[str, Tensor]:
        pairs = zip(self._keys(), self.found, strict=True)
        return {key: found.values.contiguous() for key, found in pairs}

    def _kinds(self) -> set[str]:
        return {*KINDS, *(m.form for m in self.found)}

    def _missing(self, site: str, kind: str | None) -> str:
        asked = f"{kind or 'map'} at {site!r}" if site != "**" else f"map of the kind {kind!r}"
        if not self.found:
            return f"there is no {asked}: {self.notes()[0]}"
        known = {m.site for m in self.found} if site != "**" else self._kinds()
        return f"there is no {asked}{nearest(site if site != '**' else str(kind), known)}"


def _steps_together(found: list[Map]) -> list[Map]:
    """Weights of one query each, call after call at a site, as one map: the steps of a decoder."""
    groups: dict[tuple[str, torch.Size] | int, list[Map]] = {}
    for m in found:
        alone = m.kind == "weights" and m.values.shape[-2] == 1
        groups.setdefault((m.site, m.values.shape) if alone else id(m), []).append(m)
    return [
        replace(steps[0], values=torch.cat([m.values for m in steps], -2), places=None)
        if len(steps) > 1
        else steps[0]
        for steps in groups.values()
    ]


def _counted(count: int, what: str) -> str:
    return f"1 {what} is" if count == 1 else f"{count} {what}s are"


def _within(site: str, meant: re.Pattern[str]) -> bool:
    """Whether a site, or a module that it lies in, is meant."""
    parts = site.split(".")
    return any(meant.fullmatch(".".join(parts[:n])) for n in range(len(parts), 0, -1))


def _least(values: Tensor) -> float:
    return float(values.min()) if values.numel() else float("nan")


def _greatest(values: Tensor) -> float:
    return float(values.max()) if values.numel() else float("nan")
