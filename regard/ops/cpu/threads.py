"""Split a kernel's tasks over threads: those of OpenMP where they are, else a pool of our own.

How tasks are split never changes a result: a task writes its own part. A forked child has none of
its parent's OpenMP threads and would wait for them forever: it stays on one thread.
"""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch

from .openmp import openmp

LEAST_WORK = 1 << 15
"""Elements below which a second thread costs more than it brings."""


class _State:
    """What a fork changes."""

    forked = False
    pool: ThreadPoolExecutor | None = None
    size = 0


def run(entry: Any, arguments: Any, tasks: int, work: int) -> None:
    """Run all tasks of a kernel.

    Args:
        entry: the kernel, a C function of addresses and sizes, first task and end of the tasks; it
            runs without the GIL.
        arguments: ctypes array of addresses and sizes.
        tasks: how many; a task is the least that one thread does.
        work: elements that all tasks touch together.
    """
    threads = 1 if work < LEAST_WORK or _State.forked else min(torch.get_num_threads(), tasks)
    if threads < 2:
        entry(arguments, 0, tasks)
    elif (parallel := openmp()) is not None:
        parallel(entry, arguments, tasks, threads)
    else:
        in_pool(entry, arguments, tasks, threads)


def in_pool(entry: Any, arguments: Any, tasks: int, threads: int) -> None:
    """Run tasks on the caller's thread and on a pool of ours."""
    if _State.pool is None or _State.size < threads - 1:
        _State.size = threads - 1
        _State.pool = ThreadPoolExecutor(_State.size, "regard")
    ends = [tasks * i // threads for i in range(threads + 1)]
    waiting: list[Future[None]] = [
        _State.pool.submit(entry, arguments, ends[i], ends[i + 1]) for i in range(1, threads)
    ]
    entry(arguments, 0, ends[1])
    for future in waiting:
        future.result()


def _after_fork() -> None:
    _State.forked, _State.pool, _State.size = True, None, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
