"""One look at a model: its maps, heats and their tests, as a value with a page and files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..errors import RegardError
from ..maps import Keep
from ..page import Page, printable
from ..surgery.observation import left_as_found
from .aligning import Aligned, aligned
from .heat import Heat
from .looking import see
from .methods import applicable
from .result import Maps
from .sanity import Sanity, sanity_check
from .sections import sections
from .subject import Subject
from .targets import call


@dataclass(frozen=True, eq=False)
class Report:
    """What was seen.

    Args:
        subject: the model and its input.
        maps: of the input.
        heats: by method.
        sanity: of each heat, by method.
        refused: methods that do not fit this model, and why.
        alignments: of a text that the model wrote, by method.
    """

    subject: Subject
    maps: Maps
    heats: Mapping[str, Heat]
    sanity: Mapping[str, Sanity]
    refused: Mapping[str, str]
    alignments: Mapping[str, Aligned] = field(default_factory=dict)

    def page(self) -> Page:
        """The page: the input, heats with their tests, heads, gates, warps, and all sites."""
        made = Page(f"What {self.subject.name} looks at", lead=self.subject.answer)
        for title, fragments in sections(
            self.subject, self.maps, self.heats, self.sanity,
            alignment=self.alignments, refused=dict(self.refused),
        ):  # fmt: skip
            made.add(title, *fragments)
        return made

    def write_html(self, path: str | Path) -> Path:
        """Write the page whole or not at all. Returns the path.

        Raises:
            RegardError: the file cannot be written.
        """
        return self.page().write_html(path)

    def table(self) -> str:
        """What is explained, what the heats tell, and the maps, as text."""
        told = [f"{name}: {s.sentence()}" for name, s in self.sanity.items()]
        told += [f"{name} does not fit: {why}" for name, why in self.refused.items()]
        parts = (self.subject.answer, "\n".join(told), self.maps.table())
        return printable("\n\n".join(part for part in parts if part))

    def show(self) -> None:
        """Print the table."""
        print(self.table())

    def json(self) -> str:
        """What the tests said, and the maps, as JSON."""
        facts = {
            "model": self.subject.name,
            "answer": self.subject.answer,
            "heats": {
                name: _facts(heat, self.sanity.get(name)) for name, heat in self.heats.items()
            },
            "alignments": {k: a.values.tolist() for k, a in self.alignments.items()},
            "refused": dict(self.refused),
            "maps": [
                {"site": m.site, "kind": m.form, "shape": list(m.values.shape), "call": m.call}
                for m in self.maps
            ],
        }
        return json.dumps(facts, indent=2, ensure_ascii=False)

    def open(self) -> Path:
        """Show the page in the browser. Returns its path.

        Raises:
            RegardError: the file cannot be written, or there is no browser.
        """
        return self.page().open()

    def _repr_html_(self) -> str:
        return self.page()._repr_html_()


def look(
    subject: Subject,
    keep: Keep | None = None,
    *,
    test: bool = True,
    watch: Callable[[str], None] = lambda _: None,
) -> Report:
    """Look at a model on one input: every map, every heat, and what each tells.

    Args:
        subject: the model and the input.
        keep: of the maps.
        test: run the tests of sanity, which take some hundred forwards each.
        watch: is told what is being done.

    Raises:
        RegardError: as :func:`regard.see`.
    """
    model, x = subject.model, subject.x
    watch("maps")
    with left_as_found(model), torch.no_grad(), see(model, keep) as maps:
        call(model, x)
    heats, refused = applicable(subject.methods, model, x, subject.target)
    sanity: dict[str, Sanity] = {}
    for name, heat in heats.items() if test else ():
        watch(f"is there anything in {name}?")
        sanity[name] = sanity_check(
            model, x, heat, subject.methods[name], subject.erase(heat), target=subject.target
        )
    alignments, missing = aligned(subject, maps)
    return Report(subject, maps, heats, sanity, refused | missing, alignments)


def _facts(heat: Heat, sanity: Sanity | None) -> dict[str, Any]:
    facts: dict[str, Any] = {"where": heat.where, "shape": list(heat.values.shape)}
    if sanity is not None:
        facts |= {
            "sentence": sanity.sentence(),
            "gap": sanity.curves.gap,
            "random_gaps": list(sanity.curves.random_gaps),
            "correlations": list(sanity.correlations),
        }
    return facts


def check_place(path: str | Path) -> Path:
    """A path that a page can be written to, looked at before minutes are spent.

    Raises:
        RegardError: for a suffix other than ``.html``, or without its folder.
    """
    place = Path(path).expanduser()
    if place.suffix != ".html":
        raise RegardError(f"{path}: what was seen is written as .html")
    if not place.parent.is_dir():
        raise RegardError(f"{path} cannot be written: there is no folder {place.parent}")
    return place
