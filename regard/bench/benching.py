"""bench: check everything, then time it side by side."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

from ..cost import Quartiles
from ..cost.timing import elapsed_ms, threads_set
from ..errors import RegardError, of_one_value
from .allocator import memory_kept
from .case import Case
from .cases import cases
from .contenders import Contender
from .correctness import complaint
from .fields import Field, field_of
from .findings import Entry, Row, Wrong
from .peaks import peak_of, saved_by
from .result import Benchmark
from .rounds import Times, decided, race
from .scope import Scope
from .statistics import ratio

Watch = Callable[[str], None]
_GROWTH_SHARE = 0.25  # of the seconds: a curve has many points, and none is to be decided
_NOT_COMPILED = "whole networks are compiled only where --networks asks for them"


def bench(scope: Scope | None = None, watch: Watch = lambda _: None) -> Benchmark:
    """Check that everything is right, then time all contenders of each case by turns.

    If anything of ours is wrong, nothing is timed. Another contender that is wrong is not timed.
    Compilation and first calls lie outside of what is timed.

    Args:
        scope: what is measured; by default a small set of a few minutes.
        watch: gets a line of text at each step.

    Raises:
        RegardError: for what cannot be measured: an unknown mechanism, one that takes neither maps
            nor tokens, a host that it cannot be plugged into, a device that is not there.
    """
    scope = scope or Scope()
    scope.place()
    found = cases(scope)
    with threads_set(scope.threads) as threads, memory_kept() as memory:
        conditions = _conditions(scope, threads, memory)
        wrong = [one for case in found if (one := _checked(case, scope, watch))]
        rows = []
        for number, case in enumerate(found if not wrong else (), start=1):
            watch(f"{number} of {len(found)}: {case.label}")
            row, red = _measured(case, scope)
            rows.append(row)
            wrong += [red] if red else []
    return Benchmark(tuple(rows), tuple(wrong), conditions)


def contenders_of(case: Case, scope: Scope) -> tuple[str, ...]:
    """Who runs in a case."""
    names: tuple[str, ...] = ("plain", "ours", "compiled", "timm", "copy")
    if case.host:
        names = ("host", "plain", "ours", "compiled", "timm")
    if case.along:
        names = ("plain", "ours", "timm")
    elif case.mode == "in place":
        names = ("plain", "ours", "timm", "copy")
    return tuple(name for name in names if name not in scope.without)


def _checked(case: Case, scope: Scope, watch: Watch) -> Wrong | None:
    watch(f"checking {case.label}")
    try:
        why = complaint(partial(field_of, case, scope, ("exact", "plain", "ours")))
    except ValueError as error:
        if not of_one_value(error):
            raise
        raise RegardError(
            f"{case.label}: batch normalisation cannot learn from one value a channel; a batch of "
            f"2 or more would work"
        ) from error
    return Wrong(case, "ours", why) if why else None


def _measured(case: Case, scope: Scope) -> tuple[Row, Wrong | None]:
    names = [n for n in contenders_of(case, scope) if n != "compiled" or _compiles(case, scope)]
    build = partial(field_of, case, scope, ("exact", *names) if "compiled" in names else names)
    field = build()
    absent = dict(field.absent)
    red = None
    if "compiled" in field.contenders:
        why = complaint(lambda seed: build(seed) if seed else field, "compiled")
        red = Wrong(case, "compiled", why) if why else None
        absent |= {"compiled": f"it is wrong: {why}"} if why else {}
    elif case.host and "compiled" in contenders_of(case, scope):
        absent.setdefault("compiled", _NOT_COMPILED)
    running = {n: c for n, c in field.contenders.items() if n in names and n not in absent}
    times = _times(case, scope, field, running)
    entries = [_entry(name, one, times, scope.place()) for name, one in running.items()]
    entries += [Entry(contender=name, note=why) for name, why in absent.items()]
    return Row(case=case, rounds=len(times["ours"]), entries=tuple(entries)), red


def _compiles(case: Case, scope: Scope) -> bool:
    return not case.host or "networks" in scope.parts


def _times(case: Case, scope: Scope, field: Field, running: dict[str, Contender]) -> Times:
    def once(contender: Contender) -> float:
        field.restore()
        return elapsed_ms(contender.run, scope.place())

    runs = {name: partial(once, contender) for name, contender in running.items()}
    if case.along:
        return race(runs, lambda _: True, scope.seconds * _GROWTH_SHARE)
    return race(runs, decided, scope.seconds)


def _entry(name: str, contender: Contender, times: Times, device: torch.device) -> Entry:
    lower, median, upper = np.percentile(times[name], (25, 50, 75))
    return Entry(
        contender=name,
        ms=Quartiles(float(lower), float(median), float(upper)),
        ratio=None if name == "ours" else ratio(times["ours"], times[name]),
        saved_bytes=saved_by(contender),
        peak_bytes=peak_of(contender, device),
    )


def _conditions(scope: Scope, threads: int, memory: str) -> dict[str, str | int | float]:
    device = scope.place()
    on_gpu = device.type == "cuda"
    return {
        "torch": torch.__version__,
        "numba": metadata.version("numba"),
        "device": torch.cuda.get_device_name(device) if on_gpu else _processor(),
        "threads": threads,
        "dtype": scope.dtype,
        "seconds a case": scope.seconds,
        "load at the start": _load(),
        "allocator": memory,
    }


def _load() -> str:
    """Of the last minute, with the cores it lies on: on a busy machine intervals are wide."""
    cores = os.cpu_count() or 1
    return f"{os.getloadavg()[0]:.1f} of {cores} cores" if hasattr(os, "getloadavg") else "unknown"


def _processor() -> str:
    """Its name where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()
