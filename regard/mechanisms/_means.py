"""Means of values weighed by exp(key + position): what the forms of AFT share."""

from __future__ import annotations

import torch
from torch import Tensor

from ._heads import masked_softmax, widened


def raised(key: Tensor, allowed: Tensor | None) -> Tensor:
    """exp(key), each feature's up to a factor of its own, and zero where no query may look.

    ``key [B, h, Nk, c]``, ``allowed [B, 1, 1, Nk]``.
    """
    key = widened(key)
    if allowed is None:
        return (key - key.amax(-2, keepdim=True)).exp()
    real = allowed.transpose(-2, -1)
    # Low, but such that a difference of two of them stays finite.
    key = key.masked_fill(~real, torch.finfo(key.dtype).min / 2)
    return (key - key.amax(-2, keepdim=True)).exp() * real


def means_for_all(
    key: Tensor, value: Tensor, position: Tensor | None, allowed: Tensor | None
) -> Tensor:
    """Means of values where all queries see the same keys."""
    weight = raised(key, allowed)
    sums, total = weight * widened(value), weight
    if position is None:
        sums, total = sums.sum(-2, keepdim=True), total.sum(-2, keepdim=True)
    else:
        position = widened(position)
        position = (position - position.amax(-1, keepdim=True)).exp()
        sums, total = position @ sums, position @ total
    return (sums / (total + (total == 0))).to(value.dtype)


def means_by_pair(
    key: Tensor, value: Tensor, position: Tensor | None, allowed: Tensor | None
) -> Tensor:
    """Means of values where each query sees keys of its own.

    Args:
        key: ``[B, h, Nk, c]``, c features or one for all; value: ``[B, h, Nk, d]``.
        position: ``[Nq, Nk]`` or ``[h, Nq, Nk]``.
        allowed: ``[Nq, Nk]`` or ``[B, h, Nq, Nk]``.
    """
    scores = widened(key).transpose(-2, -1).unsqueeze(-3)  # [B, h, 1, c, Nk]
    if position is not None:
        scores = scores + widened(position).unsqueeze(-2)
    weights = masked_softmax(scores, None if allowed is None else allowed.unsqueeze(-2))
    seen = weights * widened(value).transpose(-2, -1).unsqueeze(-3)
    return seen.sum(-1).to(value.dtype)
