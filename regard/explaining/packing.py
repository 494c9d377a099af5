"""Tensors as plain data for a page: nothing is lost, neither in bytes nor in digits."""

from __future__ import annotations

import base64
from typing import Any

import torch
from torch import Tensor

Rows = list[list[float]]


def pack(values: Tensor | Rows) -> dict[str, Any]:
    """Float32, row after row, little-endian, in base64, with its shape: the least room."""
    content = torch.as_tensor(values).detach().float().contiguous().numpy().astype("<f4")
    return {
        "data": base64.b64encode(content.tobytes()).decode("ascii"),
        "shape": [*content.shape],
    }


def rounded(values: Tensor) -> Any:
    """Nested lists with nine digits, all that float32 has."""
    if values.dim() == 0:
        return float(f"{values.item():.9g}")
    return [rounded(part) for part in values]
