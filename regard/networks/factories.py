"""A user's own network: ``package.module:factory`` or ``path/to/file.py:factory``."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from ..errors import RegardError, cause, nearest

KEYWORDS: Mapping[str, tuple[str, ...]] = {
    "classes": ("num_classes", "classes"),
    "channels": ("in_channels", "in_chans", "channels"),
    "size": ("size", "img_size"),
}


def call_factory(name: str, *, classes: int, channels: int, size: int) -> nn.Module:
    """The network that a user's function returns.

    The function is given those of the keywords ``num_classes`` or ``classes``, ``in_channels``,
    ``in_chans`` or ``channels``, ``size`` or ``img_size`` that stand in its signature.

    Raises:
        RegardError: if the function is not found, wants other arguments, fails, or returns
            something else than a module.
    """
    given = {"classes": classes, "channels": channels, "size": size}
    with _importable(name):
        factory = load_factory(name)
        _check_arguments(name, factory)
        taken = taken_keywords(factory)
        try:
            model = factory(**{keyword: given[fact] for keyword, fact in taken.items()})
        except (Exception, SystemExit) as error:
            raise RegardError(
                f"network {name!r}: the factory failed with {', '.join(taken) or 'no arguments'}: "
                f"{cause(error)}"
            ) from error
    if not isinstance(model, nn.Module):
        raise RegardError(
            f"network {name!r}: the factory returned {type(model).__name__}; "
            f"it must return a torch.nn.Module"
        )
    return model


def takes_channels(name: str) -> bool:
    """Whether a user's function has a keyword for the number of channels."""
    with _importable(name):
        return "channels" in taken_keywords(load_factory(name)).values()


def source_of(name: str) -> Path | None:
    """The file of the module that a user's function is in, None if it is not written in Python.

    Raises:
        RegardError: if there is no such module.
    """
    place = name.rpartition(":")[0]
    if place.endswith(".py") and Path(place).is_file():
        return Path(place).resolve()
    with _importable(name):
        file = _module(name, place).__file__
    return Path(file) if file and file.endswith(".py") else None


def factory_file(name: str) -> Path | None:
    """The file that holds a user's function; None for networks that are not the user's."""
    source, _, rest = name.partition(":")
    if not rest or source in ("timm", "torchvision"):
        return None
    with _importable(name):
        return Path(inspect.getfile(inspect.unwrap(load_factory(name))))


def load_factory(name: str) -> Callable[..., Any]:
    """The function that a name stands for.

    Raises:
        RegardError: if its module cannot be imported, or holds no such function.
    """
    place, _, attribute = name.rpartition(":")
    module = _module(name, place)
    factory = getattr(module, attribute, None)
    if not callable(factory):
        known = [n for n, value in vars(module).items() if _is_factory(module, n, value)]
        there = nearest(attribute, known) if known else "; it has no functions of its own"
        raise RegardError(f"network {name!r}: {place} has no function {attribute!r}{there}")
    return factory


def taken_keywords(factory: Callable[..., Any]) -> dict[str, str]:
    """Keyword of the factory's signature → ``classes``, ``channels`` or ``size``."""
    names = _parameters(factory)
    return {k: fact for fact, keywords in KEYWORDS.items() for k in keywords if k in names}


def _parameters(factory: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    try:
        found = inspect.signature(factory).parameters
    except (TypeError, ValueError):  # some written in C have none
        return {}
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: p for name, p in found.items() if p.kind in named}


def _check_arguments(name: str, factory: Callable[..., Any]) -> None:
    known = taken_keywords(factory)
    wanted = [
        parameter
        for parameter, p in _parameters(factory).items()
        if p.default is p.empty and parameter not in known
    ]
    if wanted:
        usable = ", ".join(keyword for keywords in KEYWORDS.values() for keyword in keywords)
        raise RegardError(
            f"network {name!r}: the factory wants {', '.join(wanted)}, which cannot be given; "
            f"give them defaults. It may take: {usable}"
        )


def _is_factory(module: ModuleType, name: str, value: object) -> bool:
    at_home = getattr(value, "__module__", None) == module.__name__
    return callable(value) and at_home and not name.startswith("_")


def _module(name: str, place: str) -> ModuleType:
    try:
        return _file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except (Exception, SystemExit) as error:
        raise RegardError(f"network {name!r}: cannot import {place}: {cause(error)}") from error


def _file(path: Path) -> ModuleType:
    """Run a file as a module of its own, each time anew."""
    spec = importlib.util.spec_from_file_location(f"regard_user_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickle look a class's module up there
    spec.loader.exec_module(module)
    return module


@contextmanager
def _importable(name: str) -> Iterator[None]:
    """The file's folder, or the current one, can be imported from, as it can by ``python file``."""
    place = name.rpartition(":")[0]
    folder = str((Path(place).parent if place.endswith(".py") else Path()).resolve())
    before = list(sys.path)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path[:] = before
