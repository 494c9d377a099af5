"""Which files hold which part of a task's data."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from ...errors import RegardError
from ..tree import list_folder, shown, shown_some, text_name
from .saved import is_saved, saved_splits
from .tables import suffix_of
from .wishes import Wish, Wishes

ROLE = {
    "train": "train",
    "test": "test",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
}
IN_NAME = re.compile(rf"(?:^|[-_.])({'|'.join(ROLE)})(?=[-_.]|$)")
Files = tuple[Path, ...]
Row = TypeVar("Row")


def find_parts(source: Path, suffixes: Sequence[str], wishes: Wishes) -> dict[str, Files]:
    """Role → its files; ``train`` is always there.

    Args:
        source: a file, which is train; a folder whose files say ``train``, ``test`` and ``dev``,
            ``val`` or ``validation`` between dots, dashes or underscores of their names; a folder
            with one file; or a Hugging Face data set saved to disk.
        suffixes: of files that count in a folder; with none every file that names a part counts.
        wishes: a path under ``test`` or ``validation`` takes the place of what the folder has.

    Raises:
        RegardError: a path is missing, a folder holds no train, or several files that do not say
            which part they are.
    """
    parts = _in(source, suffixes)
    for role, wish in (("test", wishes.test), ("validation", wishes.validation)):
        if isinstance(wish, str | Path):
            parts[role] = _only(wish, role, suffixes)
    if "train" not in parts:
        names = shown_some([path.name for files in parts.values() for path in files])
        raise RegardError(
            f"{shown(source)} has {names} but no train; name the file to train on, and the other "
            "as test"
        )
    return parts


def _only(wish: Wish, role: str, suffixes: Sequence[str]) -> Files:
    """The files of one part, from a path that a user gave for it."""
    found = _in(Path(os.path.expanduser(str(wish))), suffixes)
    return found.get(role) or found.get("train") or next(iter(found.values()))


def _in(source: Path, suffixes: Sequence[str]) -> dict[str, Files]:
    if not os.path.exists(source):
        raise RegardError(f"no file or folder {shown(source)}; check the path")
    if not source.is_dir():
        return {"train": (source,)}
    if is_saved(source):
        return _saved_roles(source)
    files = [path for path in list_folder(source).files if _counts(path, suffixes)]
    parts: dict[str, Files] = {}
    for path in files:
        role = _role(path)
        if role:
            parts[role] = (*parts.get(role, ()), path)
    if not parts and len(files) == 1 and suffixes:
        return {"train": (files[0],)}
    if not parts:
        raise RegardError(
            f"{shown(source)}: found {shown_some([p.name for p in files]) or 'no file of text'}; "
            f"expected files such as train{(suffixes or ['.tsv'])[0]} and "
            f"test{(suffixes or ['.tsv'])[0]}, or name one file"
        )
    return parts


def _counts(path: Path, suffixes: Sequence[str]) -> bool:
    return suffix_of(path) in suffixes if suffixes else _role(path) is not None


def _role(path: Path) -> str | None:
    found = IN_NAME.search(path.name.lower())
    return ROLE[found[1]] if found else None


def _saved_roles(source: Path) -> dict[str, Files]:
    parts: dict[str, Files] = {}
    for name, folder in saved_splits(source).items():
        role = ROLE.get(name.lower())
        if role and role not in parts:
            parts[role] = (folder,)
    if not parts:
        raise RegardError(
            f"{shown(source)} has splits {shown_some(list(saved_splits(source)))}; "
            "expected train, test or validation among them"
        )
    return parts


def one_file(files: Files, role: str) -> Path:
    """The only file of a part; RegardError where there are several."""
    if len(files) > 1:
        raise RegardError(
            f"{len(files)} files are {role}: {shown_some([path.name for path in files])}; "
            "name the one that is meant"
        )
    return files[0]


def require_some(found: dict[str, list[Row]], files: dict[str, Files], what: str) -> None:
    """RegardError for a part from which nothing is left."""
    for role, rows in found.items():
        if not rows:
            names = " and ".join(shown(path) for path in files[role])
            raise RegardError(f"{names} holds no {what}; {role} needs some")


def source_name(source: Path) -> str:
    """The file's or folder's name without what only tells its form."""
    name = text_name(source.resolve()) or str(source)
    return name if source.is_dir() else name.removesuffix(".gz").rpartition(".")[0] or name
