"""The placebo of a gating mechanism: the same module at the same cost, blind to the sample.

Every statistic that it squeezes from a map is replaced by its running mean over the training
samples. What is left is a fixed gate that can be learned; what a mechanism gains over its placebo
comes from looking at the sample.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..ops import squeeze
from ..surgery import Plugged

MOMENTUM = 0.1


class Placebo(nn.Module):
    """A mechanism that is fed running means.

    The running means are buffers, made in the first forward: run one before loading a state_dict.

    Args:
        mechanism: built on ``regard.ops.squeeze``.
    """

    def __init__(self, mechanism: nn.Module) -> None:
        super().__init__()
        self.mechanism = mechanism

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]``, gated as the mean sample would be."""
        with _Blind(self):
            return self.mechanism(x)

    def blind(self, call: int, statistics: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Running means in the place of one squeeze's statistics."""
        return tuple(self._running_mean(f"mean_{call}_{i}", s) for i, s in enumerate(statistics))

    @torch.no_grad()
    def _running_mean(self, name: str, statistic: Tensor) -> Tensor:
        batch = statistic.mean(0, keepdim=True)
        if name not in self._buffers:
            self.register_buffer(name, batch.clone())
        kept = self.get_buffer(name)
        if self.training:
            kept.lerp_(batch, MOMENTUM)
        return kept.clone().expand_as(statistic)


def make_placebo(plugged: Plugged) -> None:
    """Turn everything behind a handle into placebos."""
    for attachment in plugged.attachments().values():
        attachment.mechanism = Placebo(attachment.mechanism)


class _Blind(TorchFunctionMode):
    def __init__(self, placebo: Placebo) -> None:
        super().__init__()
        self.placebo = placebo
        self.calls = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        if func is not squeeze:
            return found
        self.calls += 1
        return self.placebo.blind(self.calls, found)
