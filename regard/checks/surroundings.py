"""The state of the process that a mechanism must leave alone, and that a check gives back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.backends import cudnn


class Setting(NamedTuple):
    """One thing that the whole process shares: how to read it and how to set it."""

    read: Callable[[], Any]
    write: Callable[[Any], object]


def _set_device(found: torch.device) -> None:
    # Setting "cpu" would leave a mode behind that every call passes through.
    torch.set_default_device(None if found.type == "cpu" else found)


def _set_deterministic(found: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(found[0], warn_only=found[1])


def _deterministic() -> tuple[bool, bool]:
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    return torch.are_deterministic_algorithms_enabled(), warns


def _cudnn() -> tuple[bool, ...]:
    return cudnn.enabled, cudnn.benchmark, cudnn.deterministic


def _set_cudnn(found: tuple[bool, ...]) -> None:
    cudnn.enabled, cudnn.benchmark, cudnn.deterministic = found


def _gpu_numbers() -> list[torch.Tensor]:
    return torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []


def _set_gpu_numbers(found: list[torch.Tensor]) -> None:
    for device, state in enumerate(found):
        torch.cuda.set_rng_state(state, device)


SETTINGS = {
    "the default dtype": Setting(torch.get_default_dtype, torch.set_default_dtype),
    "the default device": Setting(torch.get_default_device, _set_device),
    "the gradient mode": Setting(torch.is_grad_enabled, torch.set_grad_enabled),
    "anomaly detection": Setting(torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    "deterministic algorithms": Setting(_deterministic, _set_deterministic),
    "the number of threads": Setting(torch.get_num_threads, torch.set_num_threads),
    "the matmul precision": Setting(
        torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
    ),
    "cuDNN's flags": Setting(_cudnn, _set_cudnn),
}
RANDOM = {
    "PyTorch's random numbers": Setting(torch.get_rng_state, torch.set_rng_state),
    "PyTorch's random numbers on the GPU": Setting(_gpu_numbers, _set_gpu_numbers),
    "NumPy's random numbers": Setting(np.random.get_state, np.random.set_state),
    "Python's random numbers": Setting(random.getstate, random.setstate),
}


def observed(settings: dict[str, Setting]) -> dict[str, Any]:
    """The present value of each setting."""
    return {name: setting.read() for name, setting in settings.items()}


def changed(settings: dict[str, Setting], before: dict[str, Any]) -> list[str]:
    """Names of the settings that differ from what :func:`observed` gave before."""
    return [n for n, setting in settings.items() if not _equal(setting.read(), before[n])]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Give back every setting and every random state at the end, whatever happened inside."""
    everything = {**SETTINGS, **RANDOM}
    before = observed(everything)
    try:
        yield
    finally:
        for name in changed(everything, before):
            everything[name].write(before[name])


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_equal, a, b))
    return bool(a == b)
