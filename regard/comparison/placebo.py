"""The placebo of a gating mechanism: the same module at the same cost, blind to the sample.

Every statistic that it squeezes from a map is replaced by its running mean over the training
samples. What is left is a fixed gate that can be learned; what a mechanism gains over its placebo
comes from looking at the sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..checks.specimen import move_parameters
from ..errors import RegardError
from ..maps import record
from ..ops import squeeze
from ..surgery import Plugged

MOMENTUM = 0.1


class Placebo(nn.Module):
    """A mechanism that is fed running means.

    The running means are buffers, made in the first forward: run one before loading a state_dict.
    In training a batch enters them after it was gated, so that no gate ever sees its own sample.

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
        before = kept.clone()
        if self.training:
            kept.lerp_(batch, MOMENTUM)
        return before.expand_as(statistic)


def make_placebo(plugged: Plugged) -> None:
    """Turn everything behind a handle into placebos."""
    for attachment in plugged.attachments().values():
        attachment.mechanism = Placebo(attachment.mechanism)


def check_blind(model: nn.Module, example: Tensor, label: str) -> None:
    """Run a network of placebos once and see that their gates are the same for any sample.

    They are looked at with other parameters than those of the start, where a gate may be constant
    for a sample as for its mean: a zero layer hides what it is fed.

    Args:
        model: left in eval mode with the parameters it had; the running means are there afterwards.
        example: images ``[B, C, H, W]`` that set the running means.
        label: of the arm, for the error.

    Raises:
        RegardError: for a mechanism that does not gate, or looks at the map by other means than
            ``regard.ops.squeeze``.
    """
    model.eval()
    with torch.no_grad():
        model(example)
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn((3, *example.shape[1:]), generator=generator)
        with _moved(model), record(model) as found:
            model(noise)
    gates = [m.values for m in found if m.kind == "gate"]
    if not gates or not all(torch.equal(gate, gate[:1].expand_as(gate)) for gate in gates):
        raise RegardError(
            f"{label}: this mechanism does not squeeze the map by regard.ops.squeeze alone, so it "
            f"has no placebo; leave the placebo out of --controls"
        )


@contextmanager
def _moved(model: nn.Module) -> Iterator[None]:
    """The parameters of all placebos elsewhere than at their start, and back at the end."""
    placebos = nn.ModuleList(m for m in model.modules() if isinstance(m, Placebo))
    before = [p.clone() for p in placebos.parameters()]
    for placebo in placebos:
        move_parameters(placebo)
    try:
        yield
    finally:
        for parameter, kept in zip(placebos.parameters(), before, strict=True):
            parameter.copy_(kept)


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
