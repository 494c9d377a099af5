"""Run a model on an example and leave it, and the random state, exactly as found."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import RegardError, cause, of_one_value


class Call(NamedTuple):
    """The arguments of one call of a model, and the number of samples in them."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    batch: int

    def tensors(self) -> list[Tensor]:
        """All tensors among the arguments."""
        return tensors((self.args, self.kwargs))


def call_of(example: Any, batch: int | None = None) -> Call:
    """An example as arguments of its own: copies, so that a model may write into them.

    Args:
        example: a tensor ``x`` for ``model(x)``, a tuple or list ``t`` for ``model(*t)``, or a
            mapping ``d`` for ``model(**d)``.
        batch: the number of samples to repeat it to, along the first axis of each tensor that is
            as long there as the first tensor; None leaves it as it is.

    Raises:
        RegardError: if ``batch`` is no positive number or the example has no samples to repeat.
    """
    first = next((t for t in tensors(example) if t.dim()), None)
    samples = 1 if first is None else first.shape[0]
    if batch is not None and (batch < 1 or not samples or first is None):
        found = "no tensor with an axis" if first is None else f"{samples} samples"
        raise RegardError(f"batch={batch} of an example with {found}; 1 or more of each would work")

    def own(tensor: Tensor) -> Tensor:
        copy = tensor.detach().clone()
        if batch is not None and copy.dim() and copy.shape[0] == samples:
            copy = torch.cat([copy] * -(-batch // samples))[:batch]
        return copy.requires_grad_(tensor.requires_grad)

    copied = _map(example, own)
    size = samples if batch is None else batch
    if isinstance(copied, dict):
        return Call((), copied, size)
    return Call(tuple(copied) if isinstance(copied, tuple | list) else (copied,), {}, size)


def forward(model: nn.Module, call: Call) -> Any:
    """The model's output.

    Raises:
        RegardError: with the model's own message, if it fails.
    """
    try:
        return model(*call.args, **call.kwargs)
    except RegardError:
        raise
    except Exception as error:
        mode = "train" if model.training else "eval"
        hint = ""
        if of_one_value(error):
            hint = f"\nBatchNorm needs more than the {call.batch} sample here: batch=2 would work"
        raise RegardError(
            f"{type(model).__name__} cannot be run on the example in {mode} mode: "
            f"{cause(error)}{hint}"
        ) from error


def tensors(value: Any) -> list[Tensor]:
    """The tensors in nested tuples, lists and mappings, in order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = tuple(value.values())
    return [t for item in value for t in tensors(item)] if isinstance(value, tuple | list) else []


@contextmanager
def as_found(model: nn.Module) -> Iterator[None]:
    """Put back modes, buffers and the random state (PyTorch's, NumPy's and Python's) at the end.

    Gradients and hooks are nothing that this package's measurements touch. A buffer that a model
    makes at its first call stays.
    """
    modes = [(module, module.training) for module in model.modules()]
    buffers = [
        (module, name, buffer, buffer.detach().clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    devices = sorted({p.device.index for p in model.parameters() if p.device.type == "cuda"})
    states = random.getstate(), np.random.get_state()
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.random.fork_rng(devices=devices))
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
            for module, mode in modes:
                module.training = mode
            for module, name, buffer, value in buffers:
                module._buffers[name] = buffer
                with torch.inference_mode(buffer.is_inference()), torch.no_grad():
                    if not torch.equal(buffer, value):
                        buffer.copy_(value)


def _map(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _map(item, change) for key, item in value.items()}
    if isinstance(value, tuple | list):
        items = [_map(item, change) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return value
