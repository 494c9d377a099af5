"""What is written in a mechanism's file → Markdown: its docstring, its formula, its options."""

from __future__ import annotations

import inspect
import re
import sys
from textwrap import dedent

from ..cards import Card

_CODE = re.compile(r"(``.+?``)", re.DOTALL)
_ROLE = re.compile(r":\w+:(`[^`]+`)")
_ENTRY = re.compile(r"([\w, *]+): (.+)", re.DOTALL)


def idea_of(card: Card) -> str:
    """The first sentence of the file: the idea in a line."""
    return markdown(_paragraphs(card)[0])


def explanation_of(card: Card) -> str:
    """The rest of the file's docstring: formula, shapes, cost, where paper and code differ."""
    return "\n\n".join(_block(part) for part in _paragraphs(card)[1:])


def options_of_class(card: Card) -> list[tuple[str, str]]:
    """Constructor arguments and what they mean, as the class says it."""
    doc = inspect.cleandoc(card.module.__doc__ or "")
    found = re.search(r"^Args:\n((?: +.*\n?|\n)*)", doc, re.MULTILINE)
    if not found:
        return []
    entries = re.split(r"\n(?=\S)", dedent(found[1]).strip())
    parts = [_ENTRY.fullmatch(entry) for entry in entries]
    return [(p[1], markdown(" ".join(p[2].split()))) for p in parts if p]


def markdown(text: str) -> str:
    """Text of a docstring as Markdown; what is code stays letter for letter."""
    parts = _CODE.split(_ROLE.sub(r"`\1`", text))
    return "".join(part[1:-1] if part.startswith("``") else _escaped(part) for part in parts)


def _escaped(text: str) -> str:
    text = re.sub(r"\\([|`*_])", r"\1", text)  # what reStructuredText needs escaped
    return re.sub(r"([*<>|\\])", r"\\\1", text)


def _paragraphs(card: Card) -> list[str]:
    """Of the docstring; a formula with the lines below it that belong to it is one."""
    home = sys.modules[card.module.__module__]
    doc = inspect.cleandoc(home.__doc__ or card.title)
    parts: list[str] = []
    for part in re.split(r"\n\s*\n", doc):
        if parts and parts[-1].startswith(".. math::") and part.startswith(" "):
            parts[-1] += "\n\n" + part
        else:
            parts.append(part)
    return parts


def _block(part: str) -> str:
    if not part.startswith(".. math::"):
        return markdown(part)
    formulas = re.split(r"\n\s*\n", dedent(" " * 10 + part.removeprefix(".. math::")))
    return "\n\n".join(_formula(formula) for formula in formulas if formula.strip())


def _formula(text: str) -> str:
    """A block of TeX; several lines or columns are aligned."""
    body = "\n".join(line.strip() for line in text.strip().splitlines())
    if "&" in body or r"\\" in body:
        body = f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"
    return f"```math\n{body}\n```"
