"""What the page says: ``words.toml`` beside this file, by name, in both languages."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from ..page import Child, Markup, both, join


@cache
def _words() -> dict[str, dict[str, str]]:
    path = files("regard.explaining") / "words.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def title(name: str) -> Markup:
    """A heading or a label."""
    found = _words()[name]
    return both(found["en"], found["zh"])


def said(name: str, **values: Any) -> Markup:
    """A paragraph in each language; ``{value}`` stands for what is given, as in ``str.format``."""
    found = _words()[name]
    return both(_filled(found["en"], values), _filled(found["zh"], values), "p")


def _filled(text: str, values: dict[str, Any]) -> Markup:
    """Text with values in it: ``Markup`` as it is, all else formatted."""
    parts = re.split(r"(\{[^}]*\})", text) if values else [text]
    return join(*(_value(part, values) if part.startswith("{") else part for part in parts))


def _value(field: str, values: dict[str, Any]) -> Child:
    name, _, form = field[1:-1].partition(":")
    value = values[name]
    return value if isinstance(value, Markup) else format(value, form)
