"""modulate: a map times any mix of gates, the last of squeeze, excite, modulate."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

from .choosing import wants_kernel


def modulate(x: Tensor, *gates: Tensor) -> Tensor:
    """The product of a map with its gates, in a new tensor.

    Args:
        x: a map ``[B, C, *space]``.
        gates: each broadcastable to ``x``: ``[B, C, 1, 1]`` (channels), ``[B, 1, H, W]`` (space),
            ``[B, C, H, 1]``, ``[B, C, 1, W]``; or ``[B, C]``, short for ``[B, C, 1, …]``.

    Returns:
        ``[B, C, *space]``; nobody else holds it, the caller may write into it.
    """
    if has_torch_function((x, *gates)):
        return handle_torch_function(modulate, (x, *gates), x, *gates)
    if gates and wants_kernel(x, len(gates) - 1 + torch.is_grad_enabled() / 2):
        from .cpu.modulation import modulated

        found = modulated(x, gates)
        if found is not None:
            return found
    return reference_modulate(x, *gates)


def reference_modulate(x: Tensor, *gates: Tensor) -> Tensor:
    """The definition of :func:`modulate` in plain PyTorch."""
    if not gates:
        return x.clone()
    for gate in gates:
        x = x * (gate[(...,) + (None,) * (x.dim() - 2)] if gate.dim() == 2 else gate)
    return x
