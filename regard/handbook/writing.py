"""All files of the documentation that follow from the mechanisms, and which are out of date."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from ..catalogue import card, names
from ..errors import RegardError
from ..page import Markup
from .choosing import choosing
from .diagram import diagram
from .entry import alternative, entry
from .run import read
from .simplifying import simplify
from .tables import CHINESE, catalogue, short_table, with_table
from .tracing import trace

READMES: Mapping[str, Mapping[str, str]] = {"README.md": {}, "README.zh-CN.md": CHINESE}
PAGES, RUN = "docs/catalogue", "docs/choosing"


def pages(name: str) -> dict[str, str]:
    """Path → text of one mechanism's page and diagram; the same whenever it is called.

    Raises:
        RegardError: for a name that is not known.
    """
    known = card(name)
    flow = trace(known)
    steps = simplify(flow)
    drawn: Markup = diagram(steps, alternative(known, steps))
    return {
        f"{PAGES}/{known.name}.md": entry(known, flow, steps),
        f"{PAGES}/{known.name}.svg": f"{drawn}\n",
    }


def documents(root: Path) -> dict[str, str]:
    """Path below ``root`` → text of every file that is written; of these only READMEs are read.

    Raises:
        RegardError: if ``root`` is no checkout of this project.
    """
    cards = [card(name) for name in names()]
    made = dict(_all_pages())
    made["docs/catalogue.md"] = catalogue(cards)
    made["docs/choosing.md"] = choosing(cards, read(root / RUN))
    for name, words in READMES.items():
        made[name] = with_table(_text(root / name), short_table(cards, words), name)
    return made


def differing(root: Path) -> list[str]:
    """Paths that are missing, not up to date, or of a mechanism that is no more."""
    return _stale(root, documents(root))


def write(root: Path) -> list[str]:
    """Bring the files up to date; the paths that were written or removed."""
    made = documents(root)
    changed = _stale(root, made)
    for path in changed:
        if path in made:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(made[path], encoding="utf-8", newline="\n")
        else:
            (root / path).unlink()
    return changed


@cache
def _all_pages() -> Mapping[str, str]:
    """Pages of the whole catalogue, which does not change while a process runs."""
    return {path: text for name in names() for path, text in pages(name).items()}


def _stale(root: Path, made: Mapping[str, str]) -> list[str]:
    stale = [path for path, text in made.items() if _found(root / path) != text]
    left = [f"{PAGES}/{p.name}" for p in sorted((root / PAGES).glob("*.*"))]
    return [*stale, *(path for path in left if path not in made)]


def _text(path: Path) -> str:
    found = _found(path)
    if found is None:
        raise RegardError(f"{path} is missing; the documentation is written in a checkout")
    return found


def _found(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
