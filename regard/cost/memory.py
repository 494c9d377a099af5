"""saved_bytes: what autograd keeps between forward and backward."""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from .running import Call, as_found, call_of, forward


def saved_bytes(model: nn.Module, example: Any) -> int:
    """Bytes saved for backward by one forward of the example in train mode.

    A storage counts once and whole, however many views of it are saved; parameters and buffers do
    not count, for they are there anyway; the input counts where it is saved. This is the memory
    that grows with the batch, not the peak: what a forward frees again is not in it.

    Args:
        model: run once, and left as found.
        example: as of :func:`regard.cost.count_macs`; a tensor that requires a gradient gets one,
            as a layer's input inside a network does.

    Raises:
        RegardError: with the model's message, if it cannot be run on the example.
    """
    with as_found(model):
        return saved_bytes_of(model, call_of(example))


def saved_bytes_of(model: nn.Module, call: Call) -> int:
    """The same for a call; leaves the model in train mode, and what it changes in its buffers."""
    model.train()
    own = {_address(tensor) for tensor in chain(model.parameters(), model.buffers())}
    saved: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.layout == torch.strided and _address(tensor) not in own:
            # The storage is held, so that no other can take its address.
            saved.setdefault(_address(tensor), tensor.untyped_storage())
        return tensor

    with torch.enable_grad(), saved_tensors_hooks(keep, lambda tensor: tensor):
        output = forward(model, call)
    del output
    return sum(storage.nbytes() for storage in saved.values())


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
