"""Where trials run. An executor takes folders and yields what became of each.

All truth lies in the folders, so every executor gives the same result and may be changed half-way.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

Kind = Literal["started", "finished", "failed", "tick"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: to a trial, or nothing in half a second (``tick``)."""

    kind: Kind
    trial: Path | None = None
    message: str = ""


class Executor(Protocol):
    """Runs trials. ``run`` yields at least two events a second and stops all when it is closed."""

    def run(self, trials: Sequence[Path]) -> Iterator[Event]:
        """Run the trials, in any order."""


class LocalExecutor:
    """Worker processes on this machine, one thread each.

    Args:
        workers: how many; by default one for each core this process may use, or one for each GPU.
        device: ``cpu`` or ``cuda``; with ``cuda`` each worker sees one GPU.
    """

    def __init__(self, workers: int | None = None, device: str = "cpu") -> None:
        self.device = device
        self.workers = workers or _slots(device)

    def run(self, trials: Sequence[Path]) -> Iterator[Event]:
        """Run the trials in the order given, as workers become free."""
        waiting = deque(trials)
        slots = [_Slot(i, self.device) for i in range(min(self.workers, len(waiting)))]
        selector = selectors.DefaultSelector()
        try:
            for slot in slots:
                yield slot.give(waiting.popleft(), selector)
            while any(slot.trial for slot in slots):
                ready = selector.select(timeout=0.5)
                if not ready:
                    yield Event("tick")
                for key, _ in ready:
                    slot = key.data
                    yield slot.answer(selector)
                    if waiting:
                        yield slot.give(waiting.popleft(), selector)
        finally:
            for slot in slots:
                slot.stop()
            selector.close()


class _Slot:
    """One place where a worker process runs; a worker that dies is replaced."""

    def __init__(self, index: int, device: str) -> None:
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        if device == "cuda":
            self.environment["CUDA_VISIBLE_DEVICES"] = _visible_gpu(index)
        self.process: subprocess.Popen[str] | None = None
        self.trial: Path | None = None

    def give(self, trial: Path, selector: selectors.BaseSelector) -> Event:
        """Start a trial."""
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "regard.comparison.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=self.environment,
                start_new_session=True,  # Ctrl-C is the driver's; it stops its workers itself
            )
            selector.register(self.process.stdout, selectors.EVENT_READ, self)  # type: ignore[arg-type]
        self.trial = trial
        try:
            self.process.stdin.write(f"{trial}\n")  # type: ignore[union-attr]
            self.process.stdin.flush()  # type: ignore[union-attr]
        except BrokenPipeError:
            pass  # it has died; its answer says so
        return Event("started", trial)

    def answer(self, selector: selectors.BaseSelector) -> Event:
        """What became of the trial, when the worker has said so or died."""
        trial, self.trial = self.trial, None
        line = self.process.stdout.readline()  # type: ignore[union-attr]
        if line:
            error = json.loads(line)["error"]
            return Event("finished", trial) if error is None else Event("failed", trial, error)
        selector.unregister(self.process.stdout)  # type: ignore[union-attr, arg-type]
        code = self.process.wait()  # type: ignore[union-attr]
        self.process = None
        cause = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return Event("failed", trial, f"its worker {cause}; the same command goes on from there")

    def stop(self) -> None:
        """End the worker now."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def _slots(device: str) -> int:
    if device == "cuda":
        import torch

        return max(1, torch.cuda.device_count())
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _visible_gpu(index: int) -> str:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = visible.split(",") if visible else []
    return names[index % len(names)] if names else str(index)
