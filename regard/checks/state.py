"""Rules on what a mechanism holds: parameters, copies, files."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from ..cards import Card
from ..catalogue import options_of
from .rule import ALL, require, require_same, rule
from .specimen import specimen


@rule("registered", *ALL)
def registered(card: Card) -> None:
    """Every tensor is a parameter or a buffer, follows ``.to()``, and is made as ordered."""
    subject = specimen(card)
    module = subject.build()
    module(*subject.inputs())
    lost = [where for where, _ in _unregistered(module)]
    require(not lost, f"{', '.join(lost)}: no parameter, buffer or module that PyTorch knows of")
    for name in ("device", "dtype"):
        require(name in options_of(card), f"the constructor takes no {name}")
    made = card.module(subject.size, **card.options, device="meta", dtype=torch.float64)
    for name, x in (*made.named_parameters(), *made.named_buffers()):
        require(x.is_meta, f"device='meta' makes {name} on {x.device}")
        right = x.dtype == torch.float64 or not x.is_floating_point()
        require(right, f"dtype=torch.float64 makes {name} in {x.dtype}")


def _unregistered(module: nn.Module) -> Iterator[tuple[str, Tensor | nn.Module]]:
    """Tensors and modules in plain attributes, lists and dicts, by the attribute's name."""
    for path, inner in module.named_modules():
        for name, value in vars(inner).items():
            if name not in ("_parameters", "_buffers", "_modules"):
                where = f"{path}.{name}" if path else name
                yield from ((where, found) for found in _held(value))


def _held(value: Any) -> Iterator[Tensor | nn.Module]:
    if isinstance(value, Tensor | nn.Module):
        yield value
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from _held(item)
    elif isinstance(value, dict):
        yield from _held(list(value.values()))


@rule("state_dict", *ALL)
def state_dict(card: Card) -> None:
    """Goes through a safetensors file into a new module, which then computes the same."""
    subject = specimen(card)
    module, inputs = subject.build(), subject.inputs()
    fresh = subject.build(moved=False)
    fresh.load_state_dict(load(save(dict(module.state_dict()))), strict=True)
    require_same(fresh(*inputs), module(*inputs), "the loaded module computes something else", 0.0)


@rule("copy", *ALL)
def copies(card: Card) -> None:
    """deepcopy and pickle give the same function with parameters of its own, also after a run."""
    subject = specimen(card)
    module, inputs = subject.build(), subject.inputs()
    wanted = module(*inputs)
    wanted.sum().backward() if wanted.requires_grad else None
    for label, twin in (
        ("a deepcopy", copy.deepcopy(module)),
        ("a pickled copy", pickle.loads(pickle.dumps(module))),
    ):
        require_same(twin(*inputs), wanted, f"{label} computes something else", 0.0)
        pairs = zip(twin.parameters(), module.parameters(), strict=True)
        shared = any(a.data_ptr() == b.data_ptr() for a, b in pairs)
        require(not shared, f"{label} shares parameters with the original")
