"""A small reader of one BibTeX entry."""

from __future__ import annotations

import re

from ..errors import RegardError

_HEAD = re.compile(r"\s*@(\w+)\s*\{\s*([^\s,{}]+)\s*,")
_FIELD = re.compile(r"\s*(\w+)\s*=\s*")
_BARE = re.compile(r"\w+")


def parse(entry: str) -> dict[str, str]:
    """The fields of one entry, names in lower case; ``kind`` and ``key`` are among them.

    Raises:
        RegardError: where it cannot be read, with the place.
    """
    head = _HEAD.match(entry)
    if head is None:
        raise RegardError("bibtex: an entry begins with @kind{key,")
    fields = {"kind": head[1].lower(), "key": head[2]}
    at = head.end()
    while found := _FIELD.match(entry, at):
        value, at = _value(entry, found.end())
        fields[found[1].lower()] = " ".join(value.split())
        at = _after(entry, at, ",")
    if entry[at:].strip() != "}":
        raise RegardError(f"bibtex: name = {{value}} or the last }} is due at {entry[at:][:30]!r}")
    return fields


def _after(entry: str, at: int, sign: str) -> int:
    """The place after a sign if it comes next, else the place itself."""
    rest = entry[at:].lstrip()
    return len(entry) - len(rest) + 1 if rest.startswith(sign) else at


def _value(entry: str, at: int) -> tuple[str, int]:
    """A value in braces, quotes or bare, and the place after it."""
    if entry[at : at + 1] == "{":
        end = _closing(entry, at)
    elif entry[at : at + 1] == '"':
        end = entry.find('"', at + 1)
    else:
        bare = _BARE.match(entry, at)
        if bare is None:
            raise RegardError(f"bibtex: a value is due at {entry[at:][:30]!r}")
        return bare[0], bare.end()
    if end < 0:
        raise RegardError(f"bibtex: {entry[at:][:30]!r} is never closed")
    return entry[at + 1 : end], end + 1


def _closing(entry: str, at: int) -> int:
    """The place of the brace that closes the one at ``at``, -1 where none does."""
    depth = 0
    for place in range(at, len(entry)):
        depth += {"{": 1, "}": -1}.get(entry[place], 0)
        if depth == 0:
            return place
    return -1
