r"""Attention rollout: how much of each input token reaches each output token.

.. math:: \tilde A = A_L \cdots A_2 A_1, \qquad A_l = \tfrac12 \left(\bar W_l + I\right)

with the mean over the heads. Abnar and Zuidema, Quantifying Attention Flow in Transformers
(arXiv:2005.00928), section 3. The identity stands for the residual path, as there.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

import torch
from torch import Tensor

from ..maps import Map
from .head_summaries import head_mean
from .stacks import stack_of

SOURCE = "arXiv:2005.00928"
RESIDUAL = 0.5


def rollout(maps: Iterable[Map], residual: float = RESIDUAL) -> Tensor:
    """Attention rolled out over all layers.

    Args:
        maps: of one stack of self-attention, in the order of its layers.
        residual: weight of the residual path in each layer, 0 to 1.

    Returns:
        ``[B, N, N]``: a row says what an output token is made of; rows sum to one.

    Raises:
        RegardError: where the maps are no stack of the same tokens.
    """
    steps = [step_of(layer, residual) for layer in stack_of(maps, "rollout")]
    return reduce(lambda flow, step: step @ flow, steps)


def step_of(layer: Map, residual: float) -> Tensor:
    """One layer, ``[B, Nq, Nk]``: heads averaged, rows that sum to one, and the residual path."""
    weights = head_mean(layer)
    weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-12)
    if not residual:
        return weights
    identity = torch.eye(weights.shape[-1], dtype=weights.dtype)
    step = (1 - residual) * weights + residual * identity
    return step / step.sum(-1, keepdim=True)  # a row without any key keeps to itself
