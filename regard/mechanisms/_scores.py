"""A score by its name, for the mechanisms that project their inputs first."""

from __future__ import annotations

import torch

from ..errors import RegardError, nearest
from ._core import Core
from .additive import AdditiveAttention
from .bilinear import BilinearAttention
from .cosine import CosineAttention
from .dot import DotAttention
from .scaled_dot import ScaledDotAttention

NAMES = ("scaled_dot", "dot", "cosine", "bilinear", "additive")


def core(
    score: str, dim: int, heads: int, device: torch.device | str | None, dtype: torch.dtype | None
) -> Core:
    """The core attention of the given score for ``heads`` heads of width ``dim``."""
    if score == "scaled_dot":
        return ScaledDotAttention(dim)
    if score == "dot":
        return DotAttention(dim)
    learned = {
        "cosine": CosineAttention,
        "bilinear": BilinearAttention,
        "additive": AdditiveAttention,
    }
    if score not in learned:
        raise RegardError(f"no score is called {score!r}{nearest(score, NAMES)}")
    made: Core = learned[score](dim, heads=heads, device=device, dtype=dtype)
    return made
