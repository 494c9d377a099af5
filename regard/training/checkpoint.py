"""Checkpoints of a training that may be stopped at any moment, and files written whole."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from ..errors import RegardError, unwritable

NAME = "checkpoint.safetensors"
Epochs = list[dict[str, float]]


def keep(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, epochs: Epochs) -> None:
    """Write model, optimizer and the epochs done, in the place of the checkpoint before.

    What is no tensor in the model's state_dict, and what is not in it at all, is not kept.
    """
    tensors = {f"model/{k}": v for k, v in model.state_dict().items() if isinstance(v, Tensor)}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{k}": v for k, v in state.items()}
    own = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    write_whole(folder / NAME, to_bytes(own, {"epochs": json.dumps(epochs)}))


def resume(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> Epochs:
    """Load the last checkpoint; the epochs done, none where there is no checkpoint.

    Raises:
        RegardError: if the checkpoint is damaged or of another network.
    """
    path = folder / NAME
    if not path.exists():
        return []
    try:
        with safe_open(path, framework="pt") as file:
            epochs: Epochs = json.loads(file.metadata()["epochs"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        model.load_state_dict(_part(tensors, "model/"))
        _load_optimizer(optimizer, _part(tensors, "optimizer/"))
    except (SafetensorError, LookupError, TypeError, ValueError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RegardError(f"{path} is damaged ({reason}); remove it to start again") from None
    return epochs


def forget(folder: Path) -> None:
    """Remove the checkpoint, and what a process left that was killed while it wrote one."""
    for path in (folder / NAME, *folder.glob(f".{NAME}.*")):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: beside its place, to the disk, then renamed.

    Raises:
        RegardError: naming the file, if it cannot be written; what was there stays.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        try:
            with beside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise unwritable(path, error) from None


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        index, name = key.split("/")
        like = parameters[int(index)]
        # A fused step walks through memory: the moments must lie in it as their parameter does.
        same = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
        state.setdefault(int(index), {})[name] = same
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
