"""One exception for what a user can mend: its text says what was asked, what came, what works."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class RegardError(ValueError):
    """A mistake the caller can mend. The command line prints the text without a traceback."""


def nearest(asked: str, known: Iterable[str], most: int = 3) -> str:
    """``; nearest: a, b`` for a name that is not known, or all known names where none is near."""
    names = sorted(set(known))
    found = get_close_matches(asked, names, n=most, cutoff=0.5)
    if found:
        return "; nearest: " + ", ".join(found)
    return "; known: " + ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
