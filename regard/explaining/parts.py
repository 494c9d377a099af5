"""Pieces that the pages on texts and on pictures both have."""

from __future__ import annotations

from importlib.resources import files

from ..page import Markup, element
from .wording import said

SCRIPTS = ("notation.js", "checking.js", "grids.js")  # of every page that explains


def readout() -> Markup:
    """Where a cell tells its formula."""
    return element(
        "div", element("p", id="readout-text"), id="readout", role="status", tabindex=0,
        aria_label="The cell's formula · 格子的算式",
    )  # fmt: skip


def unable() -> Markup:
    """What is said where no script runs."""
    return element("noscript", element("div", said("script"), class_="note"))


def scrolled(table: Markup, label: str) -> Markup:
    """A table that moves sideways where it is too wide, by keyboard too."""
    return element("div", table, class_="scroll", tabindex=0, role="group", aria_label=label)


def blank(name: str) -> Markup:
    """What the script fills in."""
    return element("span", class_=f"check-{name}")


def packaged(*names: str) -> Markup:
    """Files of this folder, one after another."""
    folder = files("regard.explaining")
    return Markup("\n".join((folder / name).read_text(encoding="utf-8") for name in names))
