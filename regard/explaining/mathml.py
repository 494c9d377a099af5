"""Formulas in MathML, written in a line: ``line("z_i = Σ_j A_ij v_j")``."""

from __future__ import annotations

import re

from ..page import Markup, element, join

_ATOM = re.compile(r"(?P<base>[^_^]+)(?:_(?P<below>[^_^]+))?(?:\^(?P<above>[^_^]+))?")
_OPERATORS = frozenset("=+−×·÷∑Σ()[]‖,;…√⊤")


def math(*parts: Markup) -> Markup:
    """A formula in a line of its own."""
    return element("p", element("math", *parts, display="block"), class_="formula")


def line(text: str) -> Markup:
    """Names, numbers and signs with spaces between them; ``_`` sets below and ``^`` above."""
    return join(*(_atom(word) for word in text.split()))


def fraction(above: Markup, below: Markup) -> Markup:
    """One over the other."""
    return element("mfrac", element("mrow", above), element("mrow", below))


def root(inside: Markup) -> Markup:
    """A square root."""
    return element("msqrt", inside)


def power(base: Markup, above: Markup) -> Markup:
    """The base to the power of what stands above."""
    return element("msup", base, element("mrow", above))


def _atom(word: str) -> Markup:
    found = _ATOM.fullmatch(word)
    if found is None or word in _OPERATORS:
        return _sign(word)
    base, above = _sign(found["base"]), found["above"] and _sign(found["above"])
    below = found["below"] and element("mrow", *map(_sign, found["below"]))  # i and j, not "ij"
    if below and above:
        return element("msubsup", base, below, above)
    if below or above:
        return element("msub" if below else "msup", base, below or above)
    return _sign(word)


def _sign(text: str) -> Markup:
    if text in _OPERATORS:
        return element("mo", text)
    return element("mn" if text[0].isdigit() else "mi", text)
