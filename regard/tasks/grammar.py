"""``NAME(option=value)@SITES``: how networks and mechanisms are written on a command line."""

from __future__ import annotations

import ast
import json
from collections.abc import Collection
from typing import Any

from ..errors import RegardError, nearest

FORM = "NAME, NAME(option=value), NAME@SITES or NAME(option=value)@SITES"
_CLOSING = {"(": ")", "[": "]", "{": "}"}


def parts_of(text: str) -> tuple[str, str | None, str | None]:
    """Name, what stands in its parentheses, and sites; None for what is not there.

    Raises:
        RegardError: if it is written in another form.
    """
    end = min((text.find(sign) for sign in "(@" if sign in text), default=len(text))
    name, rest, written = text[:end].strip(), text[end:], None
    if rest.startswith("("):
        close = _closing(rest)
        written, rest = rest[1:close], rest[close + 1 :].strip()
    at = rest[1:].strip() if rest.startswith("@") else None
    if not name or at == "" or (rest and at is None):
        raise RegardError(f"{text!r} is no arm; the form is {FORM}")
    return name, written, at


def options_from(name: str, written: str, known: Collection[str]) -> dict[str, Any]:
    """The options between the parentheses.

    Raises:
        RegardError: for one that is not among those known, or given twice.
    """
    options: dict[str, Any] = {}
    for part in split(written):
        option, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise RegardError(f"{part!r} is no option of {name}; the form is {name}(option=value)")
        if option not in known:
            raise RegardError(f"{name} takes no option {option!r} here{nearest(option, known)}")
        if option in options:
            raise RegardError(f"{name}: the option {option!r} is given twice")
        options[option] = _value(value, f"{name}({option}=…)")
    return options


def split(text: str) -> list[str]:
    """Parts between commas that stand outside brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in _CLOSING) - (letter in _CLOSING.values())
        if letter == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def as_tuple(value: Any) -> Any:
    """Lists, as JSON knows them, back to tuples."""
    return tuple(map(as_tuple, value)) if isinstance(value, list) else value


def _closing(text: str) -> int:
    """Where the bracket closes that the text begins with."""
    open_ones: list[str] = []
    for index, letter in enumerate(text):
        if letter in _CLOSING:
            open_ones.append(_CLOSING[letter])
        elif open_ones and letter == open_ones[-1]:
            open_ones.pop()
            if not open_ones:
                return index
    raise RegardError(f"{text!r} has a bracket that is not closed; the form is {FORM}")


def _value(text: str, where: str) -> Any:
    """A number, True, False, None, a quoted text or a tuple of these; any other word is a text."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        raise RegardError(
            f"{where}: {text} is no number, text, True, False, None or list of these"
        ) from None
