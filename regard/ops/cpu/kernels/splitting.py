"""What each OpenMP thread runs: its share of a kernel's tasks."""

from __future__ import annotations

import ctypes
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import carray, types
from numba.extending import intrinsic

thread_number = types.ExternalFunction("omp_get_thread_num", types.intc())
thread_count = types.ExternalFunction("omp_get_num_threads", types.intc())


@intrinsic
def call(context: Any, entry: Any, arguments: Any, start: Any, stop: Any) -> Any:
    """Call the kernel at an address."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        whole = ir.IntType(64)
        kind = ir.FunctionType(ir.VoidType(), [whole, whole, whole])
        builder.call(builder.inttoptr(values[0], kind.as_pointer()), values[1:])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), generate


def share(job):
    """Kernel, arguments and tasks → the part of this thread."""
    entry, arguments, tasks = carray(job, (3,))
    thread, threads = thread_number(), thread_count()
    call(entry, arguments, tasks * thread // threads, tasks * (thread + 1) // threads)


SIGNATURE = types.void(types.CPointer(types.int64))


def provide(library: Any) -> None:
    """Make a loaded libgomp's functions known to the compiler."""
    for name in ("omp_get_thread_num", "omp_get_num_threads"):
        llvm.add_symbol(name, ctypes.cast(getattr(library, name), ctypes.c_void_p).value)
