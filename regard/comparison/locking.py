"""One process at a time in a folder. The system frees what a killed process held."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from ..errors import unwritable

LOCK = "lock"
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process is in here, and keep others out.

    Where neither the system nor the disk knows locks, nobody waits. That costs time and nothing
    else: two processes write the same bits, and each file whole.

    Raises:
        RegardError: if the folder cannot be written.
    """
    try:
        file = (folder / LOCK).open("w", encoding="utf-8")
    except OSError as error:
        raise unwritable(folder / LOCK, error) from None
    with file:
        try:
            _wait_for(file)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise unwritable(folder / LOCK, error) from None
        yield


def _wait_for(file: IO[str]) -> None:
    unix = _module("fcntl")
    if unix is not None:
        unix.flock(file, unix.LOCK_EX)
        return
    windows = _module("msvcrt")
    while windows is not None:
        try:
            windows.locking(file.fileno(), windows.LK_NBLCK, 1)
        except OSError:
            time.sleep(0.1)
        else:
            return


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None
