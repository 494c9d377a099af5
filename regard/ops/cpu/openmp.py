"""Hand kernels to the libgomp that PyTorch has loaded: no second pool of threads that spins.

On Linux only; measured beside a pool of Python threads it is clearly faster, for PyTorch's own idle
threads spin for a while after each operation.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch

from .compiling import compiled

_PARALLEL = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint
)  # fmt: skip


@cache
def openmp() -> Callable[[Any, Any, int, int], None] | None:
    """What runs a kernel's tasks on PyTorch's OpenMP threads; None where it has none."""
    library = _libgomp()
    if library is None:
        return None
    from .kernels.splitting import SIGNATURE, provide, share

    provide(library)
    split = compiled(share, SIGNATURE)
    start = ctypes.cast(library.GOMP_parallel, _PARALLEL)

    def parallel(entry: Any, arguments: Any, tasks: int, threads: int) -> None:
        address = ctypes.cast(entry, ctypes.c_void_p).value or 0
        job = (ctypes.c_int64 * 3)(address, ctypes.addressof(arguments), tasks)
        start(split.address, ctypes.addressof(job), threads, 0)

    return parallel


def _libgomp() -> Any:
    """The libgomp that PyTorch computes with, as it is loaded; None where it uses another one."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        paths = {line.split(maxsplit=5)[5] for line in lines if "libgomp" in line}
        beside = Path(torch.__file__).resolve().parent.parent
        own = [p for p in sorted(paths) if Path(p).is_relative_to(beside)]
        found = own or (sorted(paths) if len(paths) == 1 else [])
        loaded = os.RTLD_NOW | os.RTLD_NOLOAD
        return ctypes.CDLL(found[0], mode=loaded) if len(found) == 1 else None
    except (OSError, AttributeError, IndexError):
        return None
