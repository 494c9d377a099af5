"""Checkpoints of a training that may be stopped at any moment, and files written whole."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from ..errors import RegardError

NAME = "checkpoint.safetensors"
Epochs = list[dict[str, float]]


def keep(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, epochs: Epochs) -> None:
    """Write model, optimizer and the epochs done, in the place of the checkpoint before."""
    tensors = {f"model/{k}": v for k, v in model.state_dict().items()}
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
        data = path.read_bytes()
        tensors = from_bytes(data)
        length = int.from_bytes(data[:8], "little")
        epochs = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["epochs"])
        model.load_state_dict(_part(tensors, "model/"))
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise RegardError(f"{path} is damaged ({error}); remove it to start again") from None
    state: dict[int, dict[str, Any]] = {}
    for key, value in _part(tensors, "optimizer/").items():
        index, name = key.split("/")
        state.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    return list(epochs)


def forget(folder: Path) -> None:
    """Remove the checkpoint."""
    (folder / NAME).unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: beside its place, to the disk, then renamed.

    Raises:
        RegardError: naming the file, if it cannot be written; what was there stays.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise RegardError(f"{path} cannot be written: {error.strerror}") from None


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
