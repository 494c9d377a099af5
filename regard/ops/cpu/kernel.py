"""Kernel: a loop over tasks in Python, compiled at its first call and split over threads."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from torch import Tensor

from .compiling import compiled
from .threads import run

MOST_ARGUMENTS = 32
_Arguments = ctypes.c_int64 * MOST_ARGUMENTS
_Entry = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


class Kernel:
    """A loop over tasks, called with tensors and sizes.

    Args:
        body: ``(arguments, start, stop)``: the addresses of the tensors and the sizes, as given
            in the call, and the tasks to do. It raises nothing and keeps nothing.
    """

    def __init__(self, body: Callable[[Any, int, int], None]) -> None:
        self.body = body
        self._entry: Any = None

    def __call__(self, tasks: int, work: int, *arguments: Tensor | int | None) -> None:
        """Run all tasks; a tensor is passed as its address, None as 0.

        Args:
            tasks: how many the work can be split into.
            work: elements that are touched, which decides how many threads are worth it.
            arguments: as the body takes them.
        """
        packed = _Arguments(*map(_word, arguments))
        run(self._entry or self.entry(), packed, tasks, work)

    def entry(self) -> Any:
        """The compiled loop."""
        if self._entry is None:
            from numba import types

            whole = types.int64
            signature = types.void(types.CPointer(whole), whole, whole)
            code = compiled(self.body, signature)
            entry = _Entry(code.address)
            entry.code = code  # type: ignore[attr-defined] # freed with its last reference
            self._entry = entry
        return self._entry

    @property
    def address(self) -> int:
        """Of the compiled loop: a kernel may call others."""
        return int(ctypes.cast(self.entry(), ctypes.c_void_p).value or 0)


def _word(argument: Tensor | int | None) -> int:
    if isinstance(argument, int):
        return argument
    return 0 if argument is None else argument.data_ptr()
