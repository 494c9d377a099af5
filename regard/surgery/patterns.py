"""Which modules of a model are meant: globs, regular expressions, types, lists and callables."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from torch import nn

from ..errors import RegardError, nearest
from .carrier import Carrier

At: TypeAlias = (
    str | type | nn.Module | Callable[[str, nn.Module], bool] | list[Any] | tuple[Any, ...]
)

_PARTS = re.compile(r"((?:(?<=\.)|^)\*\*\.|\*\*|\*|\?|\[!?[^\].!][^\].]*\])")
_KNOWN = {"**.": r"(?:.*\.)?", "**": ".*", "*": r"[^.]*", "?": r"[^.]"}


def modules_at(model: nn.Module, at: At) -> dict[str, nn.Module]:
    """Modules that match, by name, in the order of the model; a shared one by its first name.

    Args:
        model: the host.
        at: a glob on dotted names (``*`` and ``?`` stay within one name, ``**`` crosses names,
            ``[34]`` is a set, ``[!34]`` its complement); ``re:`` and a regular expression that
            matches the whole name; a module of the model; a type; a callable
            ``(name, module) → bool``; or a list of these. The model itself is meant by ``""``,
            by its type or by a callable, never by another glob.

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
            shown = pattern if isinstance(pattern, str) else _kind(pattern)
            alone = "; the model has none inside, '' is the model itself"
            known = nearest(shown, names) if names else alone
            raise RegardError(f"at={shown!r} matches no module{known}")
        chosen.update(found)
    if not chosen:
        raise RegardError(f"at={at!r} is empty; name at least one module")
    return unique([(name, module) for name, module in hosts if name in chosen])


def unique(modules: list[tuple[str, nn.Module]]) -> dict[str, nn.Module]:
    """Each module once, under its first name."""
    once: dict[int, tuple[str, nn.Module]] = {}
    for name, module in modules:
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
    if isinstance(pattern, str):
        expression = expression_of(pattern)
        return lambda name, module: bool(name or not pattern) and bool(expression.fullmatch(name))
    if isinstance(pattern, nn.Module):
        return lambda name, module: module is pattern
    if isinstance(pattern, type):
        return lambda name, module: isinstance(module, pattern)
    if callable(pattern):
        return lambda name, module: bool(pattern(name, module))
    raise RegardError(
        f"at={pattern!r} is a {type(pattern).__name__}; it can be a glob such as 'layer*.*.bn3', "
        f"'re:…', a module type, a callable (name, module), or a list of these"
    )


def _kind(pattern: Any) -> str:
    return getattr(pattern, "__name__", None) or type(pattern).__name__


def expression_of(pattern: str) -> re.Pattern[str]:
    """A glob on dotted names, or ``re:…``, as a regular expression for the whole name."""
    source = pattern.removeprefix("re:") if pattern.startswith("re:") else _translate(pattern)
    try:
        return re.compile(source)
    except re.error as error:
        raise RegardError(f"at={pattern!r} cannot be read as a pattern: {error}") from None


def _translate(glob: str) -> str:
    """A glob on dotted names as a regular expression: text and signs take turns."""
    parts = _PARTS.split(glob)
    parts[::2] = [re.escape(text) for text in parts[::2]]
    parts[1::2] = [_KNOWN.get(sign) or _set(sign) for sign in parts[1::2]]
    return "".join(parts)


def _set(sign: str) -> str:
    """``[a-c]`` or ``[!a-c]``; like ``?`` it never stands for a dot."""
    turned = sign.startswith("[!")
    characters = re.sub(r"([\\\[^&~|])", r"\\\1", sign[1 + turned : -1])
    return f"[^.{characters}]" if turned else rf"(?!\.)[{characters}]"
