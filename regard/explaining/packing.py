"""Matrices as bytes, for a page: nothing is lost, and they take less room than digits."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

Rows = list[list[float]]


def packed(numbers: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a page with their matrices as bytes, which its script unpacks."""
    given = numbers["torch"]
    return {
        **numbers,
        "inputs": {k: _each(matrices) for k, matrices in numbers["inputs"].items()},
        "weights": _each(numbers["weights"]),
        "torch": {**given, "out": pack(given["out"])},
    }


def pack(rows: Rows) -> dict[str, Any]:
    """Float32, row after row, little-endian, in base64; and how many columns there are."""
    content = np.array(rows, dtype="<f4")
    return {
        "columns": content.shape[1],
        "float32": base64.b64encode(content.tobytes()).decode("ascii"),
    }


def _each(matrices: dict[str, Rows]) -> dict[str, Any]:
    return {name: pack(rows) for name, rows in matrices.items()}
