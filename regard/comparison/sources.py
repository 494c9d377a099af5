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

from ..catalogue import card, is_own, source_of
from ..errors import RegardError
from ..tasks.network import NETWORKS

_PACKAGE = Path(__file__).parent.parent
_CODE = (
    "cards.py", "catalogue.py", "maps", "ops", "surgery", "networks", "data", "tasks",
    "training",
)  # fmt: skip
_HERE = ("arms.py", "placebo.py", "attended.py", "trial.py")
_LIBRARIES = ("timm", "torchvision")


def code_fingerprint(mechanism: str | None, host: str) -> str:
    """Hash of the code that decides a trial: ours that matters, the mechanism's, the host's.

    Of a mechanism's and a host's own files those that they import from beside themselves, from
    their own package, from where one stands and from this package count too, but no other library.

    Raises:
        RegardError: if a file of the mechanism or of the host is not there.
    """
    own = (*(_PACKAGE / name for name in _CODE), *(Path(__file__).with_name(n) for n in _HERE))
    found = [file for path in own for file in _python_files(path)]
    if _is_on_text(host):  # its attention is named in many ways, so all of them count
        found += _python_files(_PACKAGE / "mechanisms")
        mechanism = mechanism if mechanism and is_own(mechanism) else None
    for file in (_mechanism_file(mechanism), _host_file(host)):
        found += [] if file is None else imported_beside(file)
    parts = [f"{file.name}\0{_read(file)[0]}" for file in dict.fromkeys(found)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def library_versions(host: str) -> dict[str, str]:
    """Versions of the libraries that a trial computes with."""
    names = ["torch", "numba", *(name for name in _LIBRARIES if host.startswith(f"{name}:"))]
    return {name: _version(name) for name in names}


def imported_beside(file: Path) -> list[Path]:
    """A file and, transitively, the files that it imports from beside itself or its own package."""
    found: dict[Path, None] = {}
    waiting = [file]
    while waiting:
        path = waiting.pop(0)
        if path not in found:
            found[path] = None
            waiting += [f for level, name in _read(path)[1] for f in _own(path, level, name)]
    return list(found)


def _mechanism_file(name: str | None) -> Path | None:
    if name is None:
        return None
    return _module_file(name.partition(":")[0]) if is_own(name) else source_of(card(name))


def _host_file(name: str) -> Path | None:
    place = name.rpartition(":")[0]
    return None if not place or name.partition(":")[0] in _LIBRARIES else _module_file(place)


def _is_on_text(host: str) -> bool:
    return any(host.partition("(")[0].strip() in names for names in NETWORKS.values())


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


def _imports(source: bytes) -> Iterator[tuple[int, str]]:
    """What a file imports: how many folders up it is looked for, 0 for anywhere, and its name."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = f"{node.module}." if node.module else ""
            yield from ((node.level, f"{module}{alias.name}") for alias in node.names)


def _own(file: Path, level: int, name: str) -> list[Path]:
    """The files of an import that lie beside a file, in its package, or where one stands.

    Of this package only mechanisms: what else of it decides a trial always counts.
    """
    found = next((f for root in _roots(file, level, name) if (f := _at(root, name.split(".")))), [])
    return [f for f in found if _PACKAGE not in f.parents or _PACKAGE / "mechanisms" in f.parents]


def _roots(file: Path, level: int, name: str) -> list[Path]:
    """Folders in which an import is looked for."""
    if level:
        return [file.parents[level - 1]] if level <= len(file.parents) else []
    top, first = _top(file), name.split(".", maxsplit=1)[0]
    own = {top.name: top.parent, _PACKAGE.name: _PACKAGE.parent}
    return [file.parent, Path.cwd(), *([own[first]] if first in own else [])]


def _top(file: Path) -> Path:
    """The outermost package that a file is in, or the file itself."""
    while (file.parent / "__init__.py").is_file():
        file = file.parent
    return file


def _at(root: Path, parts: list[str]) -> list[Path]:
    """The files of a dotted name below a folder: of packages on the way, the ``__init__.py``."""
    path, found = root, list[Path]()
    for part in parts:
        path = path / part
        if (module := path.with_name(f"{part}.py")).is_file():
            return [*found, module]
        if not path.is_dir():
            return found
        found += [init for init in (path / "__init__.py",) if init.is_file()]
    return _python_files(path)


def _python_files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def _read(file: Path) -> tuple[str, tuple[tuple[int, str], ...]]:
    """Hash of a file, and the names that it imports."""
    try:
        state = file.stat()
        return _read_once(file.resolve(), state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise RegardError(f"{file} cannot be read: {error.strerror}") from None


@lru_cache(maxsize=4096)
def _read_once(file: Path, changed: int, size: int) -> tuple[str, tuple[tuple[int, str], ...]]:
    source = file.read_bytes()
    return hashlib.sha256(source).hexdigest(), tuple(dict.fromkeys(_imports(source)))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
