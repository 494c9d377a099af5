"""Kernels have first derivatives only; who wants more is told what has them."""

from __future__ import annotations

import torch

from ..errors import RegardError


def first_derivative_only(name: str, kernel: str = "CPU") -> None:
    """Refuse a backward that is to be differentiated again.

    Args:
        name: the operation.
        kernel: which of its kernels, for the sentence.

    Raises:
        RegardError: inside a backward with ``create_graph=True``.
    """
    if torch.is_grad_enabled():
        raise RegardError(
            f"{name}: the {kernel} kernel has no second derivative; the plain form has: set "
            f"REGARD_IMPL=torch, or run the forward in `with regard.ops.using('torch')`"
        )
