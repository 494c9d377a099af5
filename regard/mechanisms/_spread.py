"""Standard deviations that hold in float16 and have a gradient everywhere.

Made of norms, which write down no square, and have a gradient where all numbers are equal.
"""

from __future__ import annotations

import torch
from torch import Tensor


def deviation(shift: Tensor) -> Tensor:
    """Unbiased standard deviation over the last axis, kept with size 1, of numbers less their mean.

    One number alone has none, and gives zero.
    """
    places = shift.shape[-1]
    # One number is divided by 1, not by 0: 1 // places is 1 there, and 0 anywhere else.
    freedom = places - 1 + 1 // places
    return torch.linalg.vector_norm(shift, dim=-1, keepdim=True) / freedom**0.5


def at_least(x: Tensor, least: float) -> Tensor:
    """√(x² + least²); to ONNX, which knows no ``hypot``, as the norm of the two."""
    other = torch.full_like(x, least)
    if torch.compiler.is_exporting():
        return torch.linalg.vector_norm(torch.stack((x, other), -1), dim=-1)
    return torch.hypot(x, other)
