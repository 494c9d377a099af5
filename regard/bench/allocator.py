"""The C library's allocator, kept from giving memory back while times are taken.

By default glibc returns large blocks to the system as soon as they are free. Every fresh output is
then made of page faults, which may take longer than the arithmetic and hit whoever allocates more.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

VARIABLES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # names of mallopt(3)
_KEEP = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1))
# Where glibc's own adaption ends, for whoever goes on in this process.
_AFTER = ((_MMAP_MAX, 65536), (_MMAP_THRESHOLD, 32 << 20), (_TRIM_THRESHOLD, 64 << 20))


@contextmanager
def memory_kept() -> Iterator[str]:
    """Keep freed memory in the process inside the ``with`` block, where the C library is glibc.

    Yields:
        Which state applies, in words.
    """
    if all(variable in os.environ for variable in VARIABLES):
        yield "freed memory is kept as the environment says"
        return
    library = _glibc()
    if library is None or not all(library.mallopt(*option) for option in _KEEP):
        yield "freed memory goes back to the system, so fresh outputs may be page faults"
        return
    try:
        yield "freed memory is kept (mallopt), so fresh outputs are not page faults"
    finally:
        for option in _AFTER:
            library.mallopt(*option)


def _glibc() -> Any:
    """The C library of this process if it is glibc, else None."""
    try:
        library = ctypes.CDLL(None)
        return library if library.gnu_get_libc_version and library.mallopt else None
    except (AttributeError, OSError, TypeError):
        return None
