"""One run of a host on an example: what its modules take and give, and what it returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from ..errors import RegardError, cause
from .carrier import Side, first_tensor
from .layouts import Evidence, channels_first
from .patterns import host_modules


@dataclass(frozen=True, slots=True)
class Seen:
    """The first tensor that one call of a module took or gave.

    Args:
        shape, dtype, device: of the tensor.
        numbers: its own, the same wherever the tensor was met; and, after a call, that of the
            tensor of the same shape that went in.
        autocast: whether its dtype is autocast's choice rather than the model's.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    numbers: tuple[int, ...]
    autocast: bool


@dataclass(frozen=True, slots=True)
class Observation:
    """What one run showed.

    Args:
        calls: the calls of each module observed, by its name; None for one without a tensor.
        evidence: what the modules of known type tell of layouts.
        output: of the model.
    """

    calls: Mapping[str, list[Seen | None]]
    evidence: Evidence
    output: Any


class _Notes:
    """Numbers the tensors that pass, without keeping them."""

    def __init__(self) -> None:
        self._numbers: Any = WeakTensorKeyDictionary()
        self._next = count()

    def take(self, value: Any) -> Seen | None:
        tensor = first_tensor(value)
        if tensor is None:
            return None
        if tensor not in self._numbers:
            self._numbers[tensor] = next(self._next)
        kind = tensor.device.type
        autocast = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
        full = torch.nested.to_padded_tensor(tensor, 0.0) if tensor.is_nested else tensor
        number = (self._numbers[tensor],)
        return Seen(tuple(full.shape), tensor.dtype, tensor.device, number, autocast)


def observe(
    model: nn.Module, example: Any, modules: Mapping[str, nn.Module], side: Side
) -> Observation:
    """Run the model once and look at the given side of the modules.

    Raises:
        RegardError: if the model cannot be run on the example.
    """
    calls: dict[str, list[Seen | None]] = {name: [] for name in modules}
    evidence, notes, handles = Evidence(), _Notes(), []
    try:
        for name, module in modules.items():
            handles.append(_watch(module, side, calls[name], notes))
        for name, module in host_modules(model):
            scripted = isinstance(module, torch.jit.ScriptModule)  # it takes no hooks
            known = channels_first(module) is not None or hasattr(module, "batch_first")
            if known and not scripted:
                handles.append(_question(name, module, evidence, notes))
        output = run(model, example)
    finally:
        for handle in handles:
            handle.remove()
    first = first_tensor(example)
    if first is not None and first.dim() > 1 and (first.dim() > 3 or not evidence.batches):
        evidence.batches.add(first.shape[0])
    return Observation(calls, evidence, output)


def _watch(module: nn.Module, side: Side, calls: list[Seen | None], notes: _Notes) -> Any:
    """Note each call of a module on one side."""

    def before(_module: nn.Module, args: Any, kwargs: Any) -> None:
        calls.append(notes.take(args or kwargs))

    def after(_module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        given, seen = notes.take(args or kwargs), notes.take(output)
        if given is not None and seen is not None and given.shape == seen.shape:
            seen = replace(seen, numbers=seen.numbers + given.numbers)
        calls.append(seen)

    if side == "after":
        return module.register_forward_hook(after, with_kwargs=True)
    return module.register_forward_pre_hook(before, with_kwargs=True)


def _question(name: str, module: nn.Module, evidence: Evidence, notes: _Notes) -> Any:
    """Note what a module of known type tells of what it takes and gives."""

    def hook(_module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        for value in (args or kwargs, output):
            seen = notes.take(value)
            if seen is not None:
                evidence.note(name, module, seen.shape, seen.numbers[0])

    return module.register_forward_hook(hook, with_kwargs=True)


def run(model: nn.Module, example: Any) -> Any:
    """The model's output on the example: in eval mode, no gradients, all put back afterwards.

    Raises:
        RegardError: with the model's own message, if it fails.
    """
    with left_as_found(model), torch.no_grad():
        try:
            if isinstance(example, Mapping):
                return model(**example)
            return model(*example) if isinstance(example, tuple | list) else model(example)
        except RegardError:
            raise
        except Exception as error:
            raise RegardError(
                f"{type(model).__name__} cannot be run on the example: {cause(error)}"
            ) from error


@contextmanager
def left_as_found(model: nn.Module) -> Iterator[None]:
    """Eval mode inside the block; then modes and random states are what they were.

    The flags are set one by one: a ``train()`` or ``eval()`` of the host's own may do more than
    that, such as merging weights.
    """
    modes = {module: module.training for module in model.modules()}
    with random_state_kept(model):
        for module in modes:
            module.training = False
        try:
            yield
        finally:
            for module, mode in modes.items():
                module.training = mode


@contextmanager
def random_state_kept(model: nn.Module) -> Iterator[None]:
    """PyTorch's random states, of the CPU and the model's GPUs, are afterwards what they were."""
    devices = sorted({p.device.index for p in model.parameters() if p.device.type == "cuda"})
    with torch.random.fork_rng(devices=devices):
        yield


def largest_difference(one: Any, other: Any) -> float | None:
    """Largest difference between the tensors of two outputs; None if there are none to compare."""
    ours, theirs = list(_tensors(one)), list(_tensors(other))
    if [t.shape for t in ours] != [t.shape for t in theirs]:
        return float("inf")
    largest = [
        (a.cpu().double() - b.cpu().double()).abs().max()
        for a, b in zip(ours, theirs, strict=True)
        if a.numel() and not a.is_meta
    ]
    return float(torch.stack(largest).max()) if largest else None


def _tensors(value: Any) -> Iterator[Tensor]:
    """All floating-point tensors inside mappings, sequences and dataclasses, in order."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
        return
    if isinstance(value, Mapping):
        inside = list(value.values())
    elif is_dataclass(value) and not isinstance(value, type):
        inside = [getattr(value, f.name) for f in fields(value)]
    else:
        inside = list(value) if isinstance(value, tuple | list) else []
    for item in inside:
        yield from _tensors(item)
