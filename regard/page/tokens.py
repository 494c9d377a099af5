"""A text in the tokens that a model takes it in."""

from __future__ import annotations

from collections.abc import Iterable

from .markup import Markup, element


def token_list(tokens: Iterable[str]) -> Markup:
    """Tokens as numbered chips in a row; spaces in them are kept."""
    return element("ol", *(element("li", token) for token in tokens), class_="tokens")
