"""The files whose code decides a trial, found by reading and never by running what is in them.

So the report of somebody else's comparison runs nothing that its folder names.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from ..catalogue import card, source_of
from ..errors import RegardError

_PACKAGE = Path(__file__).parent.parent
_CODE = ("cards.py", "catalogue.py", "maps.py", "ops", "surgery", "networks", "data", "training")
_HERE = ("arms.py", "placebo.py", "trial.py")
_LIBRARIES = ("timm", "torchvision")


def code_fingerprint(mechanism: str | None, host: str) -> str:
    """Hash of the code that decides a trial: ours that matters, the mechanism's, the host's.

    Of a mechanism's and a host's own files those beside them that they import count too, but no
    installed package.

    Raises:
        RegardError: if a file of the mechanism or of the host is not there.
    """
    own = (*(_PACKAGE / name for name in _CODE), *(Path(__file__).with_name(n) for n in _HERE))
    found = [file for path in own for file in _python_files(path)]
    for file in (_mechanism_file(mechanism), _host_file(host)):
        found += [] if file is None else imported_beside(file)
    parts = [f"{file.name}\0{_read(file)[0]}" for file in dict.fromkeys(found)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def library_versions(host: str) -> dict[str, str]:
    """Versions of the libraries that a trial computes with."""
    names = ["torch", *(name for name in _LIBRARIES if host.startswith(f"{name}:"))]
    return {name: _version(name) for name in names}


def imported_beside(file: Path) -> list[Path]:
    """A file and, transitively, the files and packages beside it that it imports."""
    found: dict[Path, None] = {}
    waiting = [file]
    while waiting:
        path = waiting.pop(0)
        if path not in found:
            found[path] = None
            waiting += [f for name in _read(path)[1] for f in _beside(path, name)]
    return list(found)


def _mechanism_file(name: str | None) -> Path | None:
    if name is None:
        return None
    return _module_file(name.partition(":")[0]) if _is_own(name) else source_of(card(name))


def _host_file(name: str) -> Path | None:
    place = name.rpartition(":")[0]
    return None if not place or name.partition(":")[0] in _LIBRARIES else _module_file(place)


def _is_own(name: str) -> bool:
    return ":" in name or name.endswith(".py")


def _module_file(place: str) -> Path:
    """The file of ``file.py`` or ``package.module``; of the latter nothing is imported."""
    if place.endswith(".py"):
        found = Path(place)
    else:
        top, *rest = place.split(".")
        spec = PathFinder.find_spec(top, [str(Path.cwd())]) or find_spec(top)
        folders = list(spec.submodule_search_locations or []) if spec else []
        tails = [Path(*rest).with_suffix(".py"), Path(*rest, "__init__.py")] if rest else []
        candidates = [Path(folder, tail) for folder in folders for tail in tails]
        if not rest and spec is not None and spec.origin is not None:
            candidates = [Path(spec.origin)]
        found = next((path for path in candidates if path.is_file()), Path(place))
    if not found.is_file():
        raise RegardError(f"{place}: its file is not found from {Path.cwd()}")
    return found


def _imports(source: bytes) -> Iterator[str]:
    """First names of the modules that a file imports from beside itself or from anywhere."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level < 2:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.level == 1:
            yield from (alias.name for alias in node.names)


def _beside(file: Path, name: str) -> list[Path]:
    module, package = file.with_name(f"{name}.py"), file.with_name(name)
    return [module] if module.is_file() else _python_files(package) if package.is_dir() else []


def _python_files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def _read(file: Path) -> tuple[str, tuple[str, ...]]:
    """Hash of a file, and the names that it imports."""
    try:
        state = file.stat()
        return _read_once(file.resolve(), state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise RegardError(f"{file} cannot be read: {error.strerror}") from None


@lru_cache(maxsize=4096)
def _read_once(file: Path, changed: int, size: int) -> tuple[str, tuple[str, ...]]:
    source = file.read_bytes()
    return hashlib.sha256(source).hexdigest(), tuple(dict.fromkeys(_imports(source)))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
