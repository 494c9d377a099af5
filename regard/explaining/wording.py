"""What the pages say, by name, in both languages: ``words.toml`` here and in ``images``."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from ..page import Child, Markup, both, join


@cache
def _words() -> dict[str, dict[str, str]]:
    folder = files("regard.explaining")
    places = (folder / "words.toml", folder / "images" / "words.toml")
    texts, images = (tomllib.loads(place.read_text(encoding="utf-8")) for place in places)
    return texts | images


def title(name: str, number: int | None = None) -> Markup:
    """A heading or a label; a heading may have a number, up to ten."""
    found = _words()[name]
    if number is None:
        return both(found["en"], found["zh"])
    return both(f"{number}. {found['en']}", f"{'一二三四五六七八九十'[number - 1]}、{found['zh']}")


def said(name: str, **values: Any) -> Markup:
    """A paragraph in each language; ``{value}`` stands for what is given, as in ``str.format``."""
    found = _words()[name]
    return both(_filled(found["en"], values), _filled(found["zh"], values), "p")


def _filled(text: str, values: dict[str, Any]) -> Markup:
    """Text with values in it: ``Markup`` as it is, numbers formatted, with a minus sign."""
    parts = re.split(r"(\{[^}]*\})", text) if values else [text]
    return join(*(_value(part, values) if part.startswith("{") else part for part in parts))


def _value(field: str, values: dict[str, Any]) -> Child:
    name, _, form = field[1:-1].partition(":")
    value = values[name]
    if isinstance(value, Markup | str):
        return value
    return format(value, form).replace("-", "−")
