"""Where trials run. An executor takes folders and yields what became of each.

All truth lies in the folders, so every executor gives the same result and may be changed half-way.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from ..errors import RegardError

WORKER = (sys.executable, "-m", "regard.comparison.worker")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_KILLED_TWICE = (
    "its worker was killed twice, as systems do when memory runs out; the same command goes on "
    "from its last epoch, and with --workers 1 it needs less memory"
)
Kind = Literal["preparing", "started", "finished", "failed", "tick"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: to a trial, or nothing in half a second (``tick``).

    A trial whose worker died is ``started`` again. ``preparing`` comes before any trial is there,
    from :func:`regard.comparison.compare`; its message says what is being done.
    """

    kind: Kind
    trial: Path | None = None
    message: str = ""


class Executor(Protocol):
    """Runs trials. ``run`` yields at least one event a second and stops all when it is closed."""

    def run(self, trials: Sequence[Path]) -> Iterator[Event]:
        """Run the trials, in any order."""


class LocalExecutor:
    """Worker processes on this machine, one thread each.

    A worker that is killed by a signal is replaced, and its trial goes on from its last epoch; a
    trial that loses a second worker is reported as failed.

    Args:
        workers: how many; by default one for each core this process may use, or one for each GPU.
        device: ``cpu`` or ``cuda``; with ``cuda`` each worker sees one GPU.
    """

    def __init__(self, workers: int | None = None, device: str = "cpu") -> None:
        if workers is not None and workers < 1:
            raise RegardError(f"workers is {workers}; it must be at least 1")
        self.device = device
        self.workers = workers or slots(device)

    def run(self, trials: Sequence[Path]) -> Iterator[Event]:
        """Run the trials in the order given, as workers become free."""
        waiting = deque(dict.fromkeys(trials))
        answers: _Answers = queue.SimpleQueue()
        workers = [_Worker(i, self.device, answers) for i in range(min(self.workers, len(waiting)))]
        lost: set[Path] = set()
        try:
            for worker in workers:
                yield worker.give(waiting.popleft())
            while any(worker.trial for worker in workers):
                try:
                    worker, line = answers.get(timeout=0.5)
                except queue.Empty:
                    yield Event("tick")
                    continue
                trial = worker.trial
                outcome = worker.take(line)
                if outcome is None and trial is not None and trial not in lost:
                    lost.add(trial)
                    waiting.appendleft(trial)
                elif trial is not None:
                    yield outcome or Event("failed", trial, _KILLED_TWICE)
                if waiting:
                    yield worker.give(waiting.popleft())
        finally:
            for worker in workers:
                worker.kill()
            for worker in workers:
                worker.close()


class _Worker:
    """One place where a worker process runs; a process that dies is replaced with the next trial.

    Args:
        index: decides which GPU the process sees.
        device: ``cpu`` or ``cuda``.
        answers: gets each line that the process writes, and an empty one when it ends.
    """

    def __init__(self, index: int, device: str, answers: _Answers) -> None:
        self.environment = {**os.environ, **_ONE_THREAD}
        self.environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        if device == "cuda":
            self.environment["CUDA_VISIBLE_DEVICES"] = _visible_gpu(index)
            self.environment.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        self.answers = answers
        self.said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        self.process: subprocess.Popen[str] | None = None
        self.trial: Path | None = None

    def give(self, trial: Path) -> Event:
        """Start a trial.

        Raises:
            RegardError: if the system starts no more processes.
        """
        process = self.process or self._start()
        self.trial = trial
        with suppress(OSError):  # it has died; its end says so
            process.stdin.write(f"{json.dumps(str(trial))}\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        return Event("started", trial)

    def take(self, line: str) -> Event | None:
        """What became of the trial: from an answer, or from the end of the process.

        None where a signal killed it, which the trial may survive.
        """
        trial, self.trial = self.trial, None
        if line:
            error = json.loads(line)["error"]
            return Event("finished", trial) if error is None else Event("failed", trial, error)
        process, self.process = self.process, None
        code = 0 if process is None else process.wait()
        if code < 0:
            return None
        said = self._last_words()
        return Event("failed", trial, f"its worker ended with code {code}{said and f': {said}'}")

    def kill(self) -> None:
        """End the process, and what it may have started, now."""
        if self.process is not None:
            if hasattr(os, "killpg"):
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()

    def close(self) -> None:
        """Wait for the end of a killed process and let go of its files."""
        if self.process is not None:
            self.process.wait()
            with suppress(OSError):
                self.process.stdin.close()  # type: ignore[union-attr]
        self.said.close()

    def _start(self) -> subprocess.Popen[str]:
        try:
            process = subprocess.Popen(
                WORKER,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.said,
                text=True,
                env=self.environment,
                start_new_session=True,  # Ctrl-C is the driver's; it stops its workers itself
            )
        except OSError as error:
            raise RegardError(f"no worker process can be started: {error.strerror}") from None
        self.process = process

        def read() -> None:
            with process.stdout as lines:  # type: ignore[union-attr]
                for line in lines:
                    self.answers.put((self, line))
            self.answers.put((self, ""))

        threading.Thread(target=read, daemon=True).start()
        return process

    def _last_words(self) -> str:
        """The last line that the process wrote to standard error."""
        size = self.said.seek(0, os.SEEK_END)
        self.said.seek(max(0, size - 2000))
        lines = self.said.read().decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


_Answers: TypeAlias = queue.SimpleQueue[tuple[_Worker, str]]


def slots(device: str) -> int:
    """One for each GPU, or for each core this process may use."""
    if device == "cuda":
        import torch

        return max(1, torch.cuda.device_count())
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _visible_gpu(index: int) -> str:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = visible.split(",") if visible else []
    return names[index % len(names)] if names else str(index)
