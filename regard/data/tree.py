"""What lies in a folder, and how its names are shown."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import RegardError

JUNK = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir"})


@dataclass(frozen=True, slots=True)
class Listing:
    """One folder's entries, sorted by name.

    Args:
        folders: sub-folders, links to folders included.
        files: everything else that is not ignored.
        ignored: hidden entries and what operating systems leave behind, such as ``Thumbs.db``.
    """

    folders: tuple[Path, ...]
    files: tuple[Path, ...]
    ignored: tuple[Path, ...]


def list_folder(folder: Path) -> Listing:
    """The entries of a folder; RegardError where it cannot be read."""
    try:
        paths = [folder / name for name in sorted(os.listdir(folder))]
        folders = {path for path in paths if path.is_dir()}
    except OSError as error:
        raise RegardError(
            f"the folder {shown(folder)} cannot be read: {error.strerror}; "
            "check the path and that you may read it"
        ) from error
    kept = [path for path in paths if not _is_junk(path.name)]
    return Listing(
        folders=tuple(path for path in kept if path in folders),
        files=tuple(path for path in kept if path not in folders),
        ignored=tuple(path for path in paths if _is_junk(path.name)),
    )


def _is_junk(name: str) -> bool:
    return name.startswith(".") or name.lower() in JUNK


def text_name(folder: Path) -> str:
    """A folder's name as valid text: bytes that are no UTF-8 become ``\\xNN``."""
    return os.fsencode(folder.name).decode("utf-8", "backslashreplace")


def shown(name: str | Path) -> str:
    """A name fit for a terminal: control characters and invalid bytes are escaped."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii")
        for sign in str(name)
    )


def shown_some(names: list[str], most: int = 3) -> str:
    """``'a', 'b', 'c' and 4 more``."""
    text = ", ".join(f"'{shown(name)}'" for name in names[:most])
    return text if len(names) <= most else f"{text} and {len(names) - most} more"
