"""Which implementation a shared operation takes: the plain form in PyTorch, or a kernel.

``auto`` takes a kernel where one is worth it: float32 on the CPU, more work saved than a call of a
kernel costs, and a plain eager run. Whatever traces, transforms or records (``torch.compile``,
export, ``torch.jit``, ``torch.func``, forward-mode differentiation, dispatch modes) sees the plain
form.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Literal

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from ..errors import RegardError, nearest

Implementation = Literal["auto", "torch", "cpu"]
KNOWN = ("auto", "torch", "cpu")
VARIABLE = "REGARD_IMPL"
LEAST = 3 << 17
"""Elements that must not be read or written for a kernel to be worth its call, some 0.1 ms."""


class _Chosen:
    name: str | None = None


@contextmanager
def using(name: Implementation) -> Iterator[None]:
    """Take one implementation inside the ``with`` block, whatever ``REGARD_IMPL`` says.

    Args:
        name: ``auto``, ``torch`` (plain forms only), or ``cpu`` (kernels for small maps too).

    Raises:
        RegardError: for another name.
    """
    before, _Chosen.name = _Chosen.name, _known(name)
    try:
        yield
    finally:
        _Chosen.name = before


def wants_kernel(x: Tensor, saved: float) -> bool:
    """Whether a kernel of ours is to work on ``x``.

    Args:
        x: the largest input.
        saved: how many times as many elements the plain form touches beyond what the kernel does.
    """
    if torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:
        return False
    if x.dtype is not torch.float32 or not x.is_cpu:
        return False
    numbers = x.numel()
    if numbers == 0 or (numbers * saved < LEAST and _name() != "cpu"):
        return False
    return _name() != "torch" and type(x) in (Tensor, nn.Parameter) and eager() and there()


def _name() -> str:
    return _Chosen.name or _known(os.environ.get(VARIABLE) or "auto")


def _known(name: str) -> str:
    if name not in KNOWN:
        known = ", ".join(KNOWN)
        raise RegardError(f"{VARIABLE} is {name!r}{nearest(name, KNOWN)}; known: {known}")
    return name


def eager() -> bool:
    """Whether no transform, no dispatch mode and no forward-mode differentiation is at work."""
    return (
        torch._C._functorch.peek_interpreter_stack() is None
        and torch._C._len_torch_dispatch_stack() == 0
        and forward_ad._current_level < 0
    )


@cache
def there() -> bool:
    """Whether kernels can be compiled here; if not, it is said once."""
    try:
        from .cpu.kernels.multiplying import multiply

        multiply[True, False].entry()
    except Exception as error:
        warnings.warn(
            f"regard's CPU kernels cannot be compiled here ({type(error).__name__}: {error}); "
            f"the plain forms, which are slower, are taken",
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    return True
