"""When a site's output is ours alone, so that a mechanism behind it may write over it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks

from ..ops.choosing import eager

_MAKERS = frozenset(
    {
        nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d,
        nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d,
    }
)  # fmt: skip
"""Modules, of exactly these types, that make a new tensor at every call and keep none."""


def is_ours_alone(site: nn.Module, output: Any) -> bool:
    """Whether nothing but what follows our hook can see a site's output.

    So only where no gradients are kept, the site is of a type that makes a new tensor, ours is the
    only hook on it and on all modules, nothing records or traces, and ``output`` is the whole of
    its memory and no view.
    """
    if torch.compiler.is_compiling() or torch.is_grad_enabled():
        return False
    if type(site) not in _MAKERS or type(output) is not Tensor:
        return False
    if len(site._forward_hooks) > 1 or hooks._global_forward_hooks or _watched():
        return False
    whole = output.untyped_storage().nbytes() == output.nbytes
    return whole and not output._is_view() and not output.requires_grad


def _watched() -> bool:
    """Whether a mode, a transform or a trace looks at the calls."""
    return (
        torch._C._is_torch_function_mode_enabled()
        or torch._C._get_tracing_state() is not None
        or not eager()
    )
