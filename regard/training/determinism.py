"""The same bits every time: random numbers from a seed, and settings of PyTorch for a while."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """PyTorch's, NumPy's and Python's random numbers from one seed; at the end as before."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices):
        try:
            random.seed(seed)
            np.random.seed(seed % (1 << 32))
            torch.manual_seed(seed % (1 << 63))
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


@contextmanager
def deterministic() -> Iterator[None]:
    """One thread and deterministic kernels, so that neither cores nor load decide the last bits.

    Denormal numbers count as zero: they are slow and decide nothing. Where PyTorch has no
    deterministic kernel it warns.
    """
    threads, level = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    smallest = torch.tensor(5e-324, dtype=torch.float64)
    flushed = not float(smallest * 1.0)
    try:
        torch.set_num_threads(1)
        torch.set_deterministic_debug_mode("warn")
        torch.set_flush_denormal(True)
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode(level)
        torch.set_flush_denormal(flushed)
