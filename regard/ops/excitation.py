"""Excitations: the tiny networks between statistics and a gate, in forms that kernels know too.

A step's ``excite`` may be any function. One of these three says beyond its result what it computes,
so that without gradients one kernel gates a sample while it lies in the cache. They hold layers of
the mechanism and own nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


class ScaledSigmoid(nn.Module):
    """``top`` · σ, the last step of a gate.

    Args:
        top: the highest gate; 2 where zero logits are to give a gate of one.
    """

    def __init__(self, top: float = 1.0) -> None:
        super().__init__()
        self.top = top

    def forward(self, logits: Tensor) -> Tensor:
        """Gate of the same shape as ``logits``."""
        gate = torch.sigmoid(logits)
        return gate if self.top == 1.0 else self.top * gate

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"top={self.top:g}"


@dataclass(frozen=True)
class Bottleneck:
    """Two dense layers with a narrow one between; the logits of several statistics are added.

    Statistics ``[B, C, 1, …]`` → gate ``[B, C]`` (SE, the channel half of CBAM).

    Args:
        reduce: ``nn.Linear``, C → hidden, before a ReLU.
        expand: ``nn.Linear``, hidden → C.
        sigmoid: ``ScaledSigmoid``.
    """

    reduce: nn.Module
    expand: nn.Module
    sigmoid: nn.Module

    def __call__(self, *statistics: Tensor) -> Tensor:
        """The gate."""
        # All statistics at once: the weights are read once, and so are their gradients written.
        flat = torch.cat([statistic.flatten(1) for statistic in statistics])
        logits = self.expand(torch.relu(self.reduce(flat)))
        if len(statistics) > 1:
            logits = logits.unflatten(0, (len(statistics), -1)).sum(0)
        gate: Tensor = self.sigmoid(logits)
        return gate


@dataclass(frozen=True)
class Neighbours:
    """One convolution along the channels: mean ``[B, C, 1, …]`` → gate ``[B, C]`` (ECA).

    Args:
        conv: ``nn.Conv1d``, 1 → 1.
        sigmoid: ``ScaledSigmoid``.
    """

    conv: nn.Module
    sigmoid: nn.Module

    def __call__(self, mean: Tensor) -> Tensor:
        """The gate."""
        gate: Tensor = self.sigmoid(self.conv(mean.flatten(1).unsqueeze(1)).squeeze(1))
        return gate


@dataclass(frozen=True)
class Window:
    """One convolution over space: S statistics ``[B, 1, *space]`` → gate of that shape (CBAM).

    Args:
        conv: S → 1 channels.
        norm: a normalisation of its result, or ``nn.Identity``.
        sigmoid: ``ScaledSigmoid``.
    """

    conv: nn.Module
    norm: nn.Module
    sigmoid: nn.Module

    def __call__(self, *statistics: Tensor) -> Tensor:
        """The gate."""
        gate: Tensor = self.sigmoid(self.norm(self.conv(torch.cat(statistics, 1))))
        return gate


Excitation = Bottleneck | Neighbours | Window
