"""What codes of places share: angles, and distances of keys from queries."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function


def angles(x: Tensor, count: int, span: float, base: float, offset: int = 0) -> Tensor:
    """Place times base^(-i / span) for i = 0 … count - 1: ``[N, count]``, at least in float32.

    Args:
        x: what is coded, ``[…, N, D]``.
        count: number of frequencies.
        span: the i at which the frequency is 1 / base.
        base: of the geometric row of frequencies.
        offset: place of the first of the N.
    """
    if has_torch_function((x,)):
        return handle_torch_function(angles, (x,), x, count, span, base, offset)
    exact = torch.float64 if x.dtype == torch.float64 else torch.float32
    frequencies = [base ** (-i / span) for i in range(count)]
    place = torch.arange(x.shape[-2], dtype=exact, device=x.device) + offset
    return place.unsqueeze(1) * torch.tensor(frequencies, dtype=exact, device=x.device)


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
