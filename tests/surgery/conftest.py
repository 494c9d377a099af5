"""What the tests of surgery share: telling models apart, and models with nothing at zero or one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn


def _randomise(model: nn.Module) -> nn.Module:
    """Vectors and statistics of all normalisations drawn away from 0 and 1; eval mode."""
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in model.state_dict(keep_vars=True).items():
            if tensor.dim() == 1 and tensor.is_floating_point():
                low = 0.5 if name.endswith(("weight", "var")) else -0.5
                tensor.copy_(torch.rand(tensor.shape, generator=draw) + low)
    return model.eval()


def _traces(model: nn.Module) -> dict[str, Any]:
    """Everything a module tree is made of: types, attributes, children, hooks, by identity."""
    found: dict[str, Any] = {}
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            inside = value if isinstance(value, dict) else {"": value}
            found[f"{name}|{key}"] = [
                (k, id(v) if isinstance(v, Tensor | nn.Module) else repr(v))
                for k, v in inside.items()
            ]
        found[f"{name}|type"] = type(module)
    return found


def _first(value: Any) -> Tensor:
    """The first tensor anywhere in an output."""
    if isinstance(value, Tensor):
        return value
    inside = list(value.values()) if isinstance(value, Mapping) else list(value)
    return next(_first(v) for v in inside if v is not None)


def _call(model: nn.Module, example: Any) -> Tensor:
    """The first tensor of the model's output."""
    if isinstance(example, dict):
        return _first(model(**example))
    return _first(model(*example) if isinstance(example, tuple) else model(example))


def _disturb(handle: Any) -> Any:
    """Move all mechanisms away from their identity start; positive biases keep a ReLU alive."""
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in handle.parameters():
            noise = torch.randn(parameter.shape, generator=draw)
            noise = noise.abs() + 1 if parameter.dim() == 1 else noise
            parameter.add_((0.3 * noise).to(parameter.dtype))
    return handle


@pytest.fixture
def randomised() -> Callable[[nn.Module], nn.Module]:
    return _randomise


@pytest.fixture
def traces() -> Callable[[nn.Module], dict[str, Any]]:
    return _traces


@pytest.fixture
def call() -> Callable[[nn.Module, Any], Tensor]:
    return _call


@pytest.fixture
def disturbed() -> Callable[[Any], Any]:
    return _disturb


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
