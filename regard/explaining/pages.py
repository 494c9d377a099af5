"""The page that walks through attention with the numbers of one real forward pass."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from ..errors import RegardError
from ..page import Markup, Page, element, embed
from .checkpoint import load_subject
from .controls import controls
from .numbers import numbers_of
from .packing import packed
from .shipped import load_shipped, subject_of
from .subject import Subject
from .walk import SHOWN, all_heads, by_hand, inputs, one_head, whole
from .wording import said, title

LANGUAGES = ("en", "zh")
_SCRIPTS = ("arithmetic.js", "grids.js", "formulas.js", "byhand.js", "explain.js")


def explain(
    text: str,
    to: str | None = None,
    *,
    on: str | Path | None = None,
    language: str = "en",
    run_code: bool = False,
) -> Page:
    """A page that walks through attention with real numbers, from tokens to the output.

    Its numbers are those of a forward pass of the small translator that ships with the package; the
    page computes every step from them, under switches, and compares itself with PyTorch.

    Args:
        text: English or Chinese, up to 64 tokens; it attends over itself (the encoder's layer).
        to: its translation, or any other text: its tokens ask instead, in the decoder, and ``text``
            gives the keys and values.
        on: a folder in which ``regard train`` kept a Transformer, to explain that one; by default
            the one that ships.
        language: ``en`` or ``zh``, the language that the page begins in.
        run_code: allow that network to be built by a file of the user's own, which is run.

    Raises:
        RegardError: for an empty or too long text, another language, or a network that a page
            cannot compute.
    """
    if language not in LANGUAGES:
        raise RegardError(f"language is {language!r}; it can be 'en' or 'zh'")
    subject = subject_of(load_shipped()) if on is None else load_subject(on, run_code=run_code)
    return write_page(subject, numbers_of(subject, text, to), language)


def write_page(subject: Subject, numbers: dict[str, Any], language: str = "en") -> Page:
    """The page of given numbers."""
    name = " ".join(numbers["keys"])
    if numbers["place"] == "cross":
        name += " → " + " ".join(numbers["queries"])
    page = Page(f"{name} · attention 注意力", language, title("lead"), bilingual=True)
    page.include(_file("explain.css"), Markup("\n".join(map(_file, _SCRIPTS))))
    unable = element("noscript", element("div", said("script"), class_="note"))
    page.add(title("whole"), unable, whole(), controls(numbers), _readout())
    for heading, parts in (
        *inputs(numbers),
        *one_head(numbers),
        by_hand(numbers),
        *all_heads(numbers),
    ):
        page.add(heading, *parts)
    page.add(title("origin-title"), *_origin(subject, numbers))
    return page


def _readout() -> Markup:
    return element(
        "div", element("p", id="readout-text"), id="readout", role="status", tabindex=0,
        aria_label="The cell's formula · 格子的算式",
    )  # fmt: skip


def _origin(subject: Subject, numbers: dict[str, Any]) -> list[Markup]:
    """That the page computes what PyTorch does, and what the network was trained on."""
    blanks = {name: _blank(name) for name in ("count", "settings", "worst")}
    return [
        element("div", said("check", **blanks), id="check", class_="note", hidden=True),
        said(f"{'own-' if subject.own else ''}{numbers['place']}"),
        subject.story,
        embed("numbers", {"shown": SHOWN, **packed(numbers)}),
    ]


def _blank(name: str) -> Markup:
    """What the script fills in."""
    return element("span", class_=f"check-{name}")


def _file(name: str) -> Markup:
    return Markup((files("regard.explaining") / name).read_text(encoding="utf-8"))
