"""Logits from relative positions on a map: one table for rows, one for columns."""

from __future__ import annotations

import torch
from torch import Tensor


def offsets(table: Tensor, queries: int, keys: int, shift: int = 0) -> Tensor:
    """What the table holds for every pair along one axis, ``[queries, keys, d]``.

    Args:
        table: ``[2n − 1, d]`` for key minus query from −(n − 1) to n − 1; beyond, it is as there.
        queries, keys: their number.
        shift: the place of the first query among the keys.
    """
    key, query = (torch.arange(n, device=table.device) for n in (keys, queries))
    place = key - query.unsqueeze(1) - shift + table.shape[0] // 2
    return table[place.clamp(0, table.shape[0] - 1)]


def relative_logits(query: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """q · (r_row + r_column) for all pairs.

    Args:
        query: ``[B, h, H, W, d]``.
        rows: ``[H, H', d]``.
        columns: ``[W, W', d]``.

    Returns:
        ``[B, h, H·W, H'·W']``.
    """
    of_rows = torch.einsum("bhxyd,xid->bhxyi", query, rows)
    of_columns = torch.einsum("bhxyd,yjd->bhxyj", query, columns)
    return (of_rows.unsqueeze(5) + of_columns.unsqueeze(4)).flatten(4).flatten(2, 3)
