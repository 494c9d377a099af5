"""Which modules of a model are meant: globs, regular expressions, types, lists and callables."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from torch import nn

from ..errors import RegardError, nearest
from .carrier import Carrier

At: TypeAlias = str | type | Callable[[str, nn.Module], bool] | list[Any] | tuple[Any, ...]


def modules_at(model: nn.Module, at: At) -> dict[str, nn.Module]:
    """Modules that match, by name, in the order of the model.

    Args:
        model: the host.
        at: a glob on dotted names (``*`` and ``?`` stay within one name, ``**`` crosses names,
            ``[34]`` is a set); ``re:`` and a regular expression that matches the whole name; a
            type; a callable ``(name, module) → bool``; or a list of these.

    Raises:
        RegardError: if one of the patterns matches nothing, naming the nearest modules.
    """
    hosts = host_modules(model)
    chosen: set[str] = set()
    for pattern in at if isinstance(at, list | tuple) else [at]:
        matches = _matcher(pattern)
        found = [name for name, module in hosts if matches(name, module)]
        if not found:
            names = [n for n, _ in hosts if n]
            shown = pattern if isinstance(pattern, str) else getattr(pattern, "__name__", pattern)
            raise RegardError(f"at={shown!r} matches no module{nearest(str(shown), names)}")
        chosen.update(found)
    once: dict[int, tuple[str, nn.Module]] = {}
    for name, module in hosts:
        if name in chosen:
            once.setdefault(id(module), (name, module))
    return dict(once.values())


def host_modules(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """All modules of the host under all their names, without what was plugged into it."""
    ours: set[str] = set()
    found = []
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, Carrier) or name.rpartition(".")[0] in ours:
            ours.add(name)
        else:
            found.append((name, module))
    return found


def _matcher(pattern: Any) -> Callable[[str, nn.Module], bool]:
    if isinstance(pattern, type):
        return lambda name, module: isinstance(module, pattern)
    if isinstance(pattern, str):
        expression = _compiled(pattern)
        return lambda name, module: expression.fullmatch(name) is not None
    if callable(pattern):
        return lambda name, module: bool(pattern(name, module))
    raise RegardError(
        f"at={pattern!r} is a {type(pattern).__name__}; it can be a glob such as 'layer*.*.bn3', "
        f"'re:…', a module type, a callable (name, module), or a list of these"
    )


def _compiled(pattern: str) -> re.Pattern[str]:
    source = pattern.removeprefix("re:") if pattern.startswith("re:") else _translate(pattern)
    try:
        return re.compile(source)
    except re.error as error:
        raise RegardError(f"at={pattern!r} is no regular expression: {error}") from None


def _translate(glob: str) -> str:
    """A glob on dotted names as a regular expression."""
    parts = re.split(r"(\*\*\.|\*\*|\*|\?|\[[^\]]+\])", glob)
    known = {"**.": r"(?:.*\.)?", "**": ".*", "*": r"[^.]*", "?": r"[^.]"}
    return "".join(
        known.get(p) or (p.replace("[!", "[^") if p.startswith("[") else re.escape(p))
        for p in parts
    )
