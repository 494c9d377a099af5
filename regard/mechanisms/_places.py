"""What codes of places share: angles, and distances of keys from queries."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function


def angles(
    x: Tensor, count: int, span: float, base: float, offset: int = 0, *, power: bool = False
) -> Tensor:
    """Place times base^(-i / span) for i = 0 … count - 1: ``[N, count]``, at least in float32.

    Far places enlarge the rounding of a frequency, so that it is found as the codes that weights
    come from find it: by an exponential (tensor2tensor), or by a power (Llama).

    Args:
        x: what is coded, ``[…, N, D]``.
        count: number of frequencies.
        span: the i at which the frequency is 1 / base.
        base: of the geometric row of frequencies.
        offset: place of the first of the N.
        power: take 1 / base^(i / span) instead of exp(-i · ln(base) / span).
    """
    if has_torch_function((x,)):
        return handle_torch_function(angles, (x,), x, count, span, base, offset, power=power)
    exact = torch.float64 if x.dtype == torch.float64 else torch.float32
    index = torch.arange(count, dtype=exact, device=x.device)
    frequencies = (
        1 / torch.pow(base, index / span) if power else torch.exp(index * -(math.log(base) / span))
    )
    place = torch.arange(x.shape[-2], dtype=exact, device=x.device) + offset
    return place.unsqueeze(1) * frequencies


def distances(query: Tensor, key: Tensor | None) -> Tensor:
    """Places of keys minus places of queries, whole numbers ``[Nq, Nk]``.

    The queries ``[…, Nq, d]`` are the last of the keys ``[…, Nk, d]``, as in causal ``attend``;
    without keys they are all.
    """
    keys = query if key is None else key
    if has_torch_function((query, keys)):
        return handle_torch_function(distances, (query, keys), query, key)
    last = torch.arange(keys.shape[-2], device=query.device)
    first = torch.arange(query.shape[-2], device=query.device)
    return last - (first + (keys.shape[-2] - query.shape[-2])).unsqueeze(1)
