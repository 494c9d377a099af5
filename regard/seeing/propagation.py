r"""Gradient × attention: relevance that only flows through weights that raise the output.

.. math:: R \leftarrow R + \bar A_l R, \qquad
          \bar A_l = \frac1h \sum_{heads} \left(\nabla A_l \odot A_l\right)^+, \qquad R_0 = I

Chefer, Gur and Wolf, Generic Attention-model Explainability (arXiv:2103.15679), equations 5 and 6,
for self-attention. Unlike rollout it is about one output, the one that was differentiated.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ..errors import RegardError
from ..maps import Map
from .head_summaries import over_heads
from .stacks import stack_of

SOURCE = "arXiv:2103.15679"


def relevance(maps: Iterable[Map]) -> Tensor:
    """Relevance of each token for what was differentiated.

    Args:
        maps: of one stack of self-attention, in the order of its layers, seen with
            ``gradients=True``, after a backward.

    Returns:
        ``[B, N, N]``: a row says what is relevant for an output token.

    Raises:
        RegardError: where the maps are no stack of the same tokens, or have no gradients.
    """
    layers = stack_of(maps, "relevance")
    first = layers[0].values
    flow = torch.eye(first.shape[-1], dtype=first.dtype).repeat(first.shape[0], 1, 1)
    for layer in layers:
        flow = flow + flowing(layer) @ flow
    return flow


def flowing(layer: Map) -> Tensor:
    """Weights times their gradient, above zero, the mean over the heads, ``[B, Nq, Nk]``.

    Raises:
        RegardError: for weights without a gradient.
    """
    if layer.gradient is None:
        raise RegardError(
            f"the weights at {layer.site!r} have no gradient; relevance needs "
            "see(model, gradients=True) and a backward of the output in question"
        )
    return over_heads((layer.gradient * layer.values).clamp(min=0))
