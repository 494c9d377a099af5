"""From a Python loop to machine code: compiled at its first use, kept on disk for later processes.

The folder is named by the bytes of all kernels' sources, so that changed code is never served old.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

FAST = {"reassoc", "contract", "arcp", "nsz"}
"""Sums may be reordered; NaN and infinities keep their meaning."""

_log = logging.getLogger("regard")
_lock = threading.RLock()


def compiled(body: Callable[..., None], signature: Any) -> Any:
    """A C function, from disk where an earlier process has compiled it."""
    from numba import cfunc

    with _lock, _cache_folder() as kept:
        _announce(kept)
        return cfunc(
            signature, cache=kept is not None, fastmath=FAST, error_model="numpy"
        )(body)  # fmt: skip


@contextmanager
def _cache_folder() -> Iterator[Path | None]:
    """Numba's cache set to our folder for a while; None where none can be written."""
    import numba

    folder, before = kept_in(), numba.config.CACHE_DIR
    try:
        folder.mkdir(parents=True, exist_ok=True)
        usable = os.access(folder, os.W_OK)
    except OSError:
        usable = False
    try:
        numba.config.CACHE_DIR = str(folder) if usable else before
        yield folder if usable else None
    finally:
        numba.config.CACHE_DIR = before


@cache
def kept_in() -> Path:
    """The folder of the compiled code: below NUMBA_CACHE_DIR, or the user's cache folder."""
    sources = sorted(Path(__file__).parent.rglob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    chosen = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    root = Path(chosen) if chosen else Path("~/.cache").expanduser()
    return root / "regard" / f"kernels-{digest}"


@cache
def _announce(kept: Path | None) -> None:
    """Say once what takes seconds, where nothing is kept yet."""
    if kept is None or not any(kept.rglob("*.nbi")):
        _log.warning(
            "regard compiles its CPU kernels at their first use, up to a second each; %s",
            "they cannot be kept on this machine" if kept is None else f"they are kept in {kept}",
        )


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - a thread of the parent may have held it
    _lock = threading.RLock()


with suppress(AttributeError):
    os.register_at_fork(after_in_child=_after_fork)
