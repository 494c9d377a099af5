"""What runs against each other: one way of doing a case."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import RegardError

Around = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way of doing a case.

    Args:
        module: what is called with the inputs; it returns one tensor.
        inputs: shared by the contenders of a case.
        upstream: gradient of the output, which makes it a forward and a backward; None for a
            forward without gradients.
        around: makes the context that it runs in.
        named: what gradients are taken of, by name.
    """

    module: Callable[..., Any]
    inputs: tuple[Tensor, ...]
    upstream: Tensor | None = None
    around: Around = nullcontext
    named: dict[str, Tensor] = field(default_factory=dict)

    def run(self) -> None:
        """Once, as it is timed."""
        self._run()

    def results(self) -> dict[str, Tensor]:
        """The output, and the gradients by the name of what they are of.

        What a module remembers of its inputs, such as a moving average, is as before afterwards.
        """
        buffers = list(self.module.buffers()) if isinstance(self.module, nn.Module) else []
        before = [buffer.clone() for buffer in buffers]
        output, gradients = self._run()
        for buffer, kept in zip(buffers, before, strict=True):
            buffer.copy_(kept)
        found = {"output": output.detach()}
        for name, gradient in zip(self.named, gradients, strict=False):
            if gradient is not None:
                found[f"gradient of {name}"] = gradient
        return found

    def _run(self) -> tuple[Tensor, tuple[Tensor | None, ...]]:
        with torch.set_grad_enabled(self.upstream is not None), self.around():
            output = self.module(*self.inputs)
            if not isinstance(output, Tensor):
                what = type(output).__name__
                raise RegardError(f"it returns a {what}; bench takes what returns one tensor")
            if self.upstream is None:
                return output, ()
            wanted = tuple(self.named.values())
            return output, torch.autograd.grad(output, wanted, self.upstream, allow_unused=True)


def contender(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    upstream: Tensor | None = None,
    around: Around = nullcontext,
) -> Contender:
    """A module as a contender: gradients of its trainable parameters and of inputs that want one.

    Args:
        module, inputs, upstream, around: as of :class:`Contender`.
    """
    named: dict[str, Tensor] = {}
    if upstream is not None:
        named |= {f"input {k}": x for k, x in enumerate(inputs) if x.requires_grad}
        named |= {n: p for n, p in module.named_parameters() if p.requires_grad}
    return Contender(module=module, inputs=inputs, upstream=upstream, around=around, named=named)


def copy_of(x: Tensor) -> Contender:
    """The physical limit: ``x`` copied to memory that is there already."""
    source, target = x.detach(), torch.empty_like(x.detach())
    return Contender(module=target.copy_, inputs=(source,))
