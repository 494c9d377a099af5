"""Heat: how much each place of an input matters, by some method."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import RegardError
from .grids import grid_of


@dataclass(frozen=True, eq=False)
class Heat:
    """A value for each place of an input.

    Args:
        values: ``[B, h, w]`` over a picture, or ``[B, N]`` over tokens; on the CPU, in float32. NaN
            at the token that reads the others: what it has from itself is the residual path.
        method: what it was computed by.
        where: from which layers.
        source: the paper of the method.
    """

    values: Tensor
    method: str
    where: str
    source: str

    @property
    def pictured(self) -> bool:
        """Whether it lies over a picture."""
        return self.values.dim() == 3

    def spread(self, frame: tuple[int, int]) -> Tensor:
        """``[B, H, W]``: bilinear between the centres of the cells."""
        if not self.pictured:
            raise RegardError(f"{self.method} lies over {self.values.shape[1]} tokens, no picture")
        return F.interpolate(
            self.values.unsqueeze(1), frame, mode="bilinear", align_corners=False
        ).squeeze(1)


def over_picture(flow: Tensor, frame: tuple[int, int]) -> Tensor:
    """What a classifier's patches count for, from a matrix of tokens by tokens.

    With tokens before the patches, the row of the first of them, which a classifier reads; else the
    mean over the rows.

    Args:
        flow: ``[B, N, N]``, rows are what looks.
        frame: height and width of the picture.

    Returns:
        ``[B, h, w]``.

    Raises:
        RegardError: where the tokens make no grid on the picture.
    """
    grid = grid_of(flow.shape[-1], frame)
    row = flow[:, 0] if grid.prefix else flow.mean(1)
    return row[:, grid.prefix :].unflatten(1, (grid.height, grid.width)).float()


def over_tokens(flow: Tensor) -> Tensor:
    """What the tokens of a text count for, ``[B, N]``, NaN for the one that reads them.

    That is the last where no token sees a later one, for there such a model speaks; else the first,
    a class token.
    """
    causal = flow.shape[1] > 1 and not bool(flow.triu(1).any())
    reader = flow.shape[1] - 1 if causal else 0
    row = flow[:, reader].float().clone()
    row[:, reader] = float("nan")
    return row


def ranks_of(values: Tensor) -> Tensor:
    """Places of the values in their order, ``[n]``; equal values share the mean of their places."""
    flat = values.flatten().double()
    _, inverse, counts = flat.unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    return (last - (counts.double() - 1) / 2)[inverse]


def rank_correlation(one: Tensor, other: Tensor) -> float:
    """Spearman's, between two maps of one shape, where both have values; zero where one is flat."""
    known = one.isfinite() & other.isfinite()
    a, b = (ranks_of(x[known]) for x in (one, other))
    a, b = a - a.mean(), b - b.mean()
    scale = float(torch.linalg.norm(a) * torch.linalg.norm(b))
    return float(a @ b) / scale if scale else 0.0
