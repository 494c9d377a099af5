"""Attention weights, written out a slab of queries at a time and summarised where they are long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .keeping import Keep, chosen

SLAB = 2**22  # weights in memory at once, about


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights that are not written out yet.

    Args:
        shape: ``[…, Nq, Nk]``; with four axes or more the third to last holds the heads.
        rows: (heads or None for all, queries) → the weights of these, ``[…, q, Nk]``.
        width: numbers that one weight takes while it is made.
    """

    shape: tuple[int, ...]
    rows: Callable[[Tensor | None, Tensor], Tensor]
    width: int = 1

    def kept(self, keep: Keep) -> tuple[Tensor, tuple[int, int]]:
        """The values to keep, on the CPU, and how many queries a row and keys a column."""
        *front, queries, keys = self.shape
        strides = keep.strides(queries, keys)
        heads = self._heads(keep.heads)
        numbers = torch.tensor(chosen(keep.queries, queries, "query"), dtype=torch.long)
        several = [*front[:-1], len(heads)] if heads is not None else front
        size = max(1, torch.Size(several).numel()) * keys * self.width
        step = max(1, SLAB // size // strides[0]) * strides[0]
        slabs = [_pooled(self.rows(heads, part), strides).cpu() for part in numbers.split(step)]
        return torch.cat(slabs, -2), strides

    def _heads(self, heads: Sequence[int] | None) -> Tensor | None:
        if heads is None or len(self.shape) < 4:
            return None
        return torch.tensor(chosen(heads, self.shape[-3], "head"), dtype=torch.long)


def dense(weights: Tensor) -> Weights:
    """Weights ``[…, Nq, Nk]`` that the model itself has written out."""
    return Weights(tuple(weights.shape), lambda heads, queries: part(weights, heads, queries))


def part(x: Tensor, heads: Tensor | None, queries: Tensor | None) -> Tensor:
    """Some heads (third to last axis) and rows (second to last) of what broadcasts to weights."""
    if heads is not None and x.dim() > 2 and x.shape[-3] > 1:
        x = x.index_select(-3, heads.to(x.device))
    if queries is not None and x.dim() > 1 and x.shape[-2] > 1:
        x = x.index_select(-2, queries.to(x.device))
    return x


def precise(x: Tensor) -> Tensor:
    """In float32, or float64 where it is."""
    return x.detach() if x.dtype == torch.float64 else x.detach().float()


def _pooled(rows: Tensor, strides: tuple[int, int]) -> Tensor:
    rows = precise(rows)
    if strides[1] > 1:
        rows = _sums(rows, strides[1])
    if strides[0] > 1:
        count = _sums(torch.ones_like(rows[..., :1]).transpose(-1, -2), strides[0])
        sums = _sums(rows.transpose(-1, -2), strides[0])
        rows = (sums / count).transpose(-1, -2)
    return rows


def _sums(x: Tensor, stride: int) -> Tensor:
    """Sums of so many neighbours along the last axis; the last group may be smaller."""
    short = -x.shape[-1] % stride
    return torch.nn.functional.pad(x, (0, short)).unflatten(-1, (-1, stride)).sum(-1)
