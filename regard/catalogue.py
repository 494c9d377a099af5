"""The catalogue: finds every mechanism by reading the folder; there is no list to keep.

A name is one of ours, an alias, ``package.module:name`` or ``path/to/file.py:name`` for a mechanism
of the caller's own, in a file with a ``CARD`` or ``CARDS`` like ours.
"""

from __future__ import annotations

import inspect
import sys
from functools import cache
from importlib import import_module, util
from pathlib import Path
from types import ModuleType
from typing import Any
from zlib import crc32

from torch import nn

from .cards import Card
from .errors import RegardError, nearest

_FOLDER = Path(__file__).with_name("mechanisms")


def names(family: str | None = None, takes: str | None = None) -> tuple[str, ...]:
    """Names of all mechanisms in alphabetical order, or of those of one family or input.

    Raises:
        RegardError: for a family or an input that no mechanism has.
    """
    cards = _cards().values()
    for asked, known, label in (
        (family, {f for c in cards for f in c.family}, "family"),
        (takes, {c.takes for c in cards}, "input"),
    ):
        if asked is not None and asked not in known:
            raise RegardError(f"no mechanism has the {label} {asked!r}{nearest(asked, known)}")
    return tuple(
        sorted(
            c.name
            for c in cards
            if (family is None or family in c.family) and (takes is None or takes == c.takes)
        )
    )


def card(name: str) -> Card:
    """The card of a mechanism.

    Args:
        name: a name, an alias, or ``module:name`` / ``file.py:name`` for the caller's own.

    Raises:
        RegardError: for a name that is not known, with the nearest ones.
    """
    if is_own(name):
        return _own(name)
    found = _cards().get(name) or _aliases().get(name)
    if found is None:
        raise RegardError(
            f"no mechanism is called {name!r}{nearest(name, [*_cards(), *_aliases()])}"
        )
    return found


def is_own(name: str) -> bool:
    """Whether a name is of the caller's own code: ``module:name`` or ``file.py:name``."""
    return ":" in name or name.endswith(".py")


def get(name: str, *size: int, **options: Any) -> nn.Module:
    """A mechanism, built.

    Args:
        name: see :func:`card`.
        size: channels of the map or width of the tokens; scores without weights need none.
        options: those of the mechanism's class (``regard show NAME`` lists them), among them
            ``variant`` where paper and official code differ, ``start="paper"|"identity"``,
            ``device`` and ``dtype``.

    Returns:
        The module: ``forward(x)`` for maps, ``forward(query, key=None, value=None, mask=None,
        causal=False)`` for tokens; for the other kinds see ``takes`` of :class:`regard.cards.Card`.

    Raises:
        RegardError: for an unknown name, an unknown option, or a value that does not work.

    Example:
        >>> regard.get("cbam", 256)
        >>> regard.get("multihead", 512, heads=8)
    """
    return build(card(name), *size, **options)


def build(found: Card, *size: int, **options: Any) -> nn.Module:
    """As :func:`get`, from a card."""
    known = options_of(found)
    for option in options:
        if option not in known:
            raise RegardError(f"{found.name} has no option {option!r}{nearest(option, known)}")
    try:
        inspect.signature(found.module).bind(*size, **options)
    except TypeError as error:
        raise RegardError(
            f"regard.get({found.name!r}, …): {error}; it takes {signature_of(found)}"
        ) from None
    try:
        module: nn.Module = found.module(*size, **options)
    except RegardError:
        raise
    except (ArithmeticError, RuntimeError, TypeError, ValueError) as error:
        raise RegardError(
            f"regard.get({found.name!r}, …): {error}; it takes {signature_of(found)}"
        ) from error
    return module


def options_of(found: Card) -> dict[str, Any]:
    """The names of a mechanism's constructor arguments and their defaults."""
    return {
        name: None if p.default is p.empty else p.default
        for name, p in inspect.signature(found.module).parameters.items()
    }


def signature_of(found: Card) -> str:
    """The constructor's arguments as one reads them, without types."""
    parts = []
    for name, p in inspect.signature(found.module).parameters.items():
        if name not in ("device", "dtype"):
            parts.append(name if p.default is p.empty else f"{name}={p.default!r}")
    return f"({', '.join(parts)})"


def source_of(found: Card) -> Path:
    """The file that holds a mechanism's class."""
    return Path(inspect.getfile(found.module))


def card_of(module: nn.Module) -> Card | None:
    """The card of a module made by :func:`get`, or None for any other module."""
    home = sys.modules.get(type(module).__module__)
    own = () if home is None else _cards_in(home)
    return next((c for c in (*_cards().values(), *own) if c.module is type(module)), None)


def cite(*what: str | nn.Module) -> str:
    """BibTeX of mechanisms by name, or of all mechanisms found inside models, each paper once."""
    cards: list[Card] = []
    for item in what:
        if isinstance(item, str):
            cards.append(card(item))
        else:
            cards += [c for m in item.modules() if (c := card_of(m)) is not None]
    return "\n\n".join(dict.fromkeys(c.bibtex for c in cards))


@cache
def _cards() -> dict[str, Card]:
    found: dict[str, Card] = {}
    for path in sorted(_FOLDER.glob("[!_]*.py")):
        _add(found, import_module(f"{__package__}.mechanisms.{path.stem}"), path.name)
    return found


def _add(found: dict[str, Card], module: ModuleType, place: str) -> dict[str, Card]:
    for entry in _cards_in(module):
        if entry.name in found:
            raise RegardError(f"two mechanisms are called {entry.name!r}: see {place}")
        found[entry.name] = entry
    return found


@cache
def _aliases() -> dict[str, Card]:
    return {alias: c for c in _cards().values() for alias in c.aliases}


def _cards_in(module: ModuleType) -> tuple[Card, ...]:
    """CARDS, or CARD alone; nothing for a module without either."""
    several = getattr(module, "CARDS", None)
    found = several if isinstance(several, list | tuple) else (getattr(module, "CARD", None),)
    return tuple(c for c in found if isinstance(c, Card))


def _own(name: str) -> Card:
    place, _, wanted = name.partition(":")
    cards = _add({}, _import(place), place)
    if not cards:
        raise RegardError(f"{place} has no CARD or CARDS; see CONTRIBUTING.md for the form")
    if not wanted and len(cards) == 1:
        return next(iter(cards.values()))
    if wanted not in cards:
        raise RegardError(f"{place} has no mechanism {wanted!r}{nearest(wanted, cards)}")
    return cards[wanted]


@cache
def _import(place: str) -> ModuleType:
    """A module by its dotted name or its file."""
    try:
        if not place.endswith(".py"):
            return import_module(place)
        return _run(Path(place).resolve())
    except Exception as error:
        hint = ""
        if isinstance(error, ImportError) and "relative import" in str(error):
            hint = "; your own file imports from regard.cards, not ..cards: see CONTRIBUTING.md"
        raise RegardError(
            f"{place} cannot be imported: {type(error).__name__}: {error}{hint}"
        ) from error


def _run(path: Path) -> ModuleType:
    """A file as a module, known to ``sys.modules``: pickle, dataclasses and inspect look there."""
    if not path.is_file():
        raise ImportError("there is no such file")
    name = f"{path.stem}_{crc32(bytes(path)):08x}"  # no other module of this stem is hidden
    spec = util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("it is no Python file")
    module = util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
