"""Latency of a forward and of a training step: warm-up, then repeated runs, then quartiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import RegardError, cause
from .running import Call, forward, tensors

_WARM_UP = 3


class Quartiles(NamedTuple):
    """Milliseconds: the median, and the quartiles below and above it."""

    lower: float
    median: float
    upper: float


def forward_ms(model: nn.Module, call: Call, repeats: int, device: torch.device) -> Quartiles:
    """Milliseconds of a forward in eval mode without gradients, up to its end on the device."""
    model.eval()

    def run() -> None:
        forward(model, call)

    with torch.no_grad():
        return quartiles(run, repeats, device)


def train_step_ms(
    model: nn.Module, call: Call, repeats: int, device: torch.device
) -> Quartiles | None:
    """Milliseconds of forward and backward in train mode, without the optimizer's step.

    The gradients of all trainable parameters are computed and thrown away, and those of inputs
    that require one. None where nothing can be trained.

    Raises:
        RegardError: with the message of the forward or of the backward that fails.
    """
    model.train()
    wanted = [t for t in (*model.parameters(), *call.tensors()) if t.requires_grad]

    def run() -> None:
        _gradients(model, _results(model, call), wanted)

    with torch.enable_grad():
        if not wanted or not _results(model, call):
            return None
        return quartiles(run, repeats, device)


def quartiles(run: Callable[[], None], repeats: int, device: torch.device) -> Quartiles:
    """Milliseconds of ``repeats`` runs, each timed alone, after three that are not counted."""
    times = [elapsed_ms(run, device) for _ in range(_WARM_UP + repeats)]
    lower, median, upper = np.percentile(times[_WARM_UP:], (25, 50, 75))
    return Quartiles(float(lower), float(median), float(upper))


def elapsed_ms(run: Callable[[], None], device: torch.device) -> float:
    """Milliseconds of one run, from an idle device to its end on the device."""
    _wait(device)
    start = perf_counter()
    run()
    _wait(device)
    return 1e3 * (perf_counter() - start)


@contextmanager
def threads_set(threads: int | None) -> Iterator[int]:
    """PyTorch's number of threads, for a while. None leaves it."""
    before = torch.get_num_threads()
    try:
        if threads is not None:
            torch.set_num_threads(threads)
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def _results(model: nn.Module, call: Call) -> list[Tensor]:
    return [t for t in tensors(forward(model, call)) if t.requires_grad]


def _gradients(model: nn.Module, results: list[Tensor], wanted: list[Tensor]) -> None:
    try:
        ones = [torch.ones_like(result) for result in results]
        torch.autograd.grad(results, wanted, ones, allow_unused=True)
    except Exception as error:
        raise RegardError(
            f"the backward of {type(model).__name__} fails on the example: {cause(error)}"
        ) from error


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
