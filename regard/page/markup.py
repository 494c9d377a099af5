"""Text that is safe to put in a page, and the one function that makes it.

A plain ``str`` is text from somewhere: it is escaped. A ``Markup`` was built here: it is trusted.
What is built is HTML that is also well-formed XML, so that tests can parse it strictly.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import RegardError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ADDRESSES = {"href": ("#", "https://", "data:image/"), "src": ("data:image/",)}
_VOID = frozenset(("br", "col", "hr", "img", "input", "link", "meta", "wbr"))
_RAW = frozenset(("script", "style"))


class Markup(str):
    """A fragment of HTML or SVG that is safe as it stands.

    ``Markup(text)`` is a promise that ``text`` was escaped; ``element`` and ``join`` keep it.
    """

    __slots__ = ()


Child = str | int | float | None
Attribute = str | int | float | None


def element(name: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """``<name attributes>children</name>``, with every plain string escaped.

    Args:
        name: of the element, such as ``td`` or ``svg``.
        *children: text, numbers and ``Markup``; None is left out.
        **attributes: ``_`` becomes ``-`` and a last ``_`` is dropped (``class_``, ``aria_label``).
            None and False are left out, True is written as an empty value. Attributes are escaped
            even where they are ``Markup``.

    Raises:
        RegardError: a name that is not one; an event handler (scripts live in ``page.js``); an
            address that could run code or load something; a coordinate that is not finite; plain
            text inside ``script`` or ``style``.
    """
    if not _NAME.fullmatch(name):
        raise RegardError(f"an element cannot be called {name!r}; a name such as 'td' would work")
    if name in _RAW and any(not isinstance(child, Markup) for child in children):
        raise RegardError(f"<{name}> takes no plain text; embed(identifier, data) carries data")
    written = "".join(
        _attribute(key, value)
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """The children one after another, plain strings escaped, None left out."""
    return Markup("".join(_child(child) for child in children if child is not None))


def embed(identifier: str, data: Any) -> Markup:
    """Data as JSON in a ``<script type="application/json">`` that no browser runs.

    Numbers that are not finite become null, because JSON has no word for them.

    Args:
        identifier: the id by which a script finds it.
        data: lists, mappings with string keys, strings, numbers, booleans and None.

    Raises:
        RegardError: ``data`` holds something that JSON cannot carry.
    """
    try:
        text = json.dumps(_finite(data), allow_nan=False)
    except TypeError as error:
        raise RegardError(f"embed({identifier!r}): {error}; plain data would work") from None
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return element("script", Markup(text), type="application/json", id=identifier)


def _child(child: str | int | float) -> str:
    return child if isinstance(child, Markup) else _escape(str(child))


def _escape(text: str) -> str:
    return html.escape(_UNPRINTABLE.sub("\ufffd", text), quote=True)


def _attribute(key: str, value: str | int | float) -> str:
    name = key.rstrip("_").replace("_", "-")
    if not _NAME.fullmatch(name) or name.lower().startswith("on"):
        raise RegardError(f"an attribute cannot be called {key!r}; scripts live in page.js")
    if value is True:
        return f' {name}=""'
    text = _coordinate(name, value) if isinstance(value, float) else str(value)
    allowed = _ADDRESSES.get(name.lower())
    if allowed and not text.startswith(allowed):
        raise RegardError(f"{name}={text[:60]!r} may load or run something; {allowed} would work")
    return f' {name}="{_escape(text)}"'


def _coordinate(name: str, value: float) -> str:
    """Two decimals: a hundredth of a pixel is less than an eye can see."""
    if not math.isfinite(value):
        raise RegardError(f"attribute {name!r} is {value}; a finite number would work")
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return [_finite(value) for value in data]
    return data
