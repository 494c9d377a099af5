"""Bytes that a contender takes: kept for backward, and at the highest point of a run."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any

import torch
from torch import nn

from ..cost.memory import saved_bytes_of
from ..cost.running import Call
from .contenders import Contender


def saved_by(contender: Contender) -> int | None:
    """Bytes kept between forward and backward, as of :func:`regard.cost.saved_bytes`.

    None for a contender without a backward, and where it cannot be told.
    """
    if contender.upstream is None or not isinstance(contender.module, nn.Module):
        return None
    call = Call(contender.inputs, {}, contender.inputs[0].shape[0])
    with suppress(Exception), contender.around():
        return saved_bytes_of(contender.module, call)
    return None


def peak_of(contender: Contender, device: torch.device) -> int | None:
    """The most bytes that PyTorch's allocator had given out at once during a run.

    Counted from the beginning of the run, so that inputs and parameters are not in it. None where
    this PyTorch does not tell.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        contender.run()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with suppress(AttributeError, ImportError):  # it is not PyTorch's public interface
        return _peak_on_cpu(contender)
    return None


def _peak_on_cpu(contender: Contender) -> int:
    # The older of PyTorch's profilers: the newer one writes about missing GPUs to standard error,
    # and begins with a pause of seconds.
    legacy: Any = import_module("torch.autograd.profiler_legacy")
    legacy._enable_profiler_legacy(legacy.profile(profile_memory=True).config())
    try:
        contender.run()
    finally:
        threads = legacy._disable_profiler_legacy()
    held = highest = 0
    for event in (event for thread in threads for event in thread):
        if event.kind() == "memory_alloc":
            held += event.cpu_memory_usage()
            highest = max(highest, held)
    return highest
