"""The page that walks through attention with the numbers of one real forward pass."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..errors import RegardError
from ..page import Markup, Page, element, embed
from .checkpoint import load_subject
from .controls import controls
from .images.pages import explain_picture
from .images.reading import is_picture
from .numbers import numbers_of, packed
from .parts import SCRIPTS, blank, packaged, readout, unable
from .shipped import load_shipped, subject_of
from .subject import Subject
from .walk import SHOWN, all_heads, by_hand, inputs, one_head, whole
from .wording import said, title

LANGUAGES = ("en", "zh")
_SCRIPTS = (*SCRIPTS, "arithmetic.js", "formulas.js", "byhand.js", "explain.js")


def explain(
    text: str | os.PathLike[str],
    to: str | None = None,
    *,
    on: str | Path | None = None,
    language: str = "en",
    run_code: bool = False,
) -> Page:
    """A page that walks through attention with real numbers, from tokens to the output.

    Its numbers are those of a forward pass of a small network that ships with the package, a
    translator for texts, a gated network for pictures; the page computes every step from them, and
    compares itself with PyTorch.

    Args:
        text: English or Chinese, up to 64 tokens; it attends over itself (the encoder's layer). Or
            the path of an image: channel attention, CBAM and the Spatial Transformer on it.
        to: its translation, or any other text: its tokens ask instead, in the decoder, and ``text``
            gives the keys and values.
        on: a folder in which ``regard train`` kept a Transformer, or for an image a network with
            one of these mechanisms plugged in, to explain that one; by default the one that ships.
        language: ``en`` or ``zh``, the language that the page begins in.
        run_code: allow that network to be built by a file of the user's own, which is run.

    Raises:
        RegardError: for an empty or too long text, a file that gives no image, another language, or
            a network that a page cannot compute.
    """
    if language not in LANGUAGES:
        raise RegardError(f"language is {language!r}; it can be 'en' or 'zh'")
    if is_picture(text):
        if to is not None:
            raise RegardError(f"{text} is an image, and to={to!r} is for texts; leave it out")
        return explain_picture(text, on=on, language=language, run_code=run_code)
    subject = subject_of(load_shipped()) if on is None else load_subject(on, run_code=run_code)
    numbers = numbers_of(subject, os.fspath(text), to)
    name = " → ".join(" ".join(one.split()) for one in (os.fspath(text), to) if one is not None)
    return write_page(subject, numbers, name, language)


def write_page(subject: Subject, numbers: dict[str, Any], name: str, language: str = "en") -> Page:
    """The page of given numbers; ``name`` is what was explained."""
    page = Page(f"{name} · attention 注意力", language, title("lead"), bilingual=True)
    page.include(packaged("explain.css"), packaged(*_SCRIPTS))
    page.add(title("whole"), unable(), whole(), controls(numbers), readout())
    for heading, parts in (
        *inputs(numbers),
        *one_head(numbers),
        by_hand(numbers),
        *all_heads(numbers),
    ):
        page.add(heading, *parts)
    page.add(title("origin-title"), *_origin(subject, numbers))
    return page


def _origin(subject: Subject, numbers: dict[str, Any]) -> list[Markup]:
    """That the page computes what PyTorch does, and what the network was trained on."""
    blanks = {name: blank(name) for name in ("count", "settings", "worst")}
    return [
        element("div", said("check", **blanks), id="check", class_="note", hidden=True),
        said(f"{'own-' if subject.own else ''}{numbers['place']}"),
        subject.story,
        embed("numbers", {"shown": SHOWN, **packed(numbers)}),
    ]
