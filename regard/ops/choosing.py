"""Which implementation a shared operation takes: the plain form in PyTorch, or a kernel.

``auto`` takes a kernel where one is worth it: float32 on the CPU, or, for what has a Triton kernel,
float32 and the two halves on a GPU; more work saved than a call of a kernel costs; and a plain
eager run. Whatever traces, transforms or records (export, ``torch.jit``, ``torch.func``,
forward-mode differentiation, dispatch modes) sees the plain form, and so does ``torch.compile`` but
for the two kernels that it has nothing as fast for.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import Literal

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from ..errors import RegardError, nearest

Implementation = Literal["auto", "torch", "cpu", "triton"]
KNOWN = ("auto", "torch", "cpu", "triton")
VARIABLE = "REGARD_IMPL"
LEAST = 3 << 17
"""Elements that must not be read or written for a kernel to be worth its call, some 0.1 ms."""


class _Chosen:
    name: str | None = None


@contextmanager
def using(name: Implementation) -> Iterator[None]:
    """Take one implementation inside the ``with`` block, whatever ``REGARD_IMPL`` says.

    Args:
        name: ``auto``, ``torch`` (plain forms only), ``cpu`` (the CPU's kernels, for small maps
            too), or ``triton`` (GPU kernels, for small inputs too; on the CPU only in Triton's
            interpreter, which wants ``TRITON_INTERPRET=1`` before the first import of Triton).

    Raises:
        RegardError: for another name.
    """
    before, _Chosen.name = _Chosen.name, _known(name)
    try:
        yield
    finally:
        _Chosen.name = before


def wants_kernel(x: Tensor, saved: float, *, operator: bool = False) -> bool:
    """Whether a CPU kernel of ours is to work on ``x``.

    Args:
        x: the largest input.
        saved: how many times as many elements the plain form touches beyond what the kernel does.
        operator: the kernel is an operator too, which compiled code calls whatever the size: a
            condition on it would tie the code to it.
    """
    if x.dtype is not torch.float32 or not x.is_cpu:
        return False
    if operator and torch.compiler.is_compiling() and not torch.compiler.is_exporting():
        return _operators()
    return not traced() and _worth(x, saved, "cpu") and there()


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _operators() -> bool:
    """Whether code that is being compiled may call kernels."""
    return _name() in ("auto", "cpu") and there()


def wants_triton(x: Tensor, saved: float) -> bool:
    """Whether a Triton kernel of ours is to work on ``x``; as :func:`wants_kernel`.

    Raises:
        RegardError: if ``triton`` is asked for and cannot run here.
    """
    if traced() or type(x) not in (Tensor, nn.Parameter):
        return False
    if not (x.is_cuda or (x.is_cpu and _name() == "triton")):
        return False
    if x.dtype not in (torch.float32, torch.bfloat16, torch.float16):
        return False
    if not _worth(x, saved, "triton"):
        return False
    if _triton_runs(x.device):
        return True
    if _name() == "triton":
        raise RegardError(
            f"{VARIABLE} is 'triton', which cannot run on {x.device} here: it takes a GPU with "
            f"Triton, or, to try kernels out on the CPU, TRITON_INTERPRET=1 set before the start"
        )
    return False


def traced() -> bool:
    """Whether code is being compiled, exported or traced."""
    return torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None


def _worth(x: Tensor, saved: float, kind: str) -> bool:
    """Whether kernels of this kind are chosen, and ``x`` is large and plain enough for one."""
    numbers, name = x.numel(), _name()
    if name not in ("auto", kind) or numbers == 0 or (numbers * saved < LEAST and name != kind):
        return False
    return type(x) in (Tensor, nn.Parameter) and eager()


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

        multiply[True, False, False].entry()
    except Exception as error:
        warnings.warn(
            f"regard's CPU kernels cannot be compiled here ({type(error).__name__}: {error}); "
            f"the plain forms, which are slower, are taken",
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    return True


@cache
def _triton_runs(device: torch.device) -> bool:
    """Whether Triton is installed and can compile for a device; if only the latter fails, a
    warning says so."""
    if find_spec("triton") is None:
        return False
    from .triton.working import works

    return works(device)
