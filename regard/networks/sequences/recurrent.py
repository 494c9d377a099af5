"""Recurrent networks over padded sequences, both ways or one: each stops where its text ends."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ...errors import RegardError
from .tokens import TokenEmbedding, check_count, check_ids, check_share, lengths, real_tokens

CELLS: dict[str, type[nn.GRU] | type[nn.LSTM]] = {"gru": nn.GRU, "lstm": nn.LSTM}


class RecurrentEncoder(nn.Module):
    """GRU or LSTM: ids → a vector for each token.

    PyTorch's GRU resets after the product with the recurrent weights, Cho et al. 2014 before.

    Args:
        vocabulary: number of tokens.
        dim: width of the tokens' vectors.
        hidden: width of one direction.
        layers: number of layers.
        cell: ``gru`` or ``lstm``.
        bidirectional: read both ways.
        dropout: share of the vectors, and of what goes between layers, dropped in training.
        pad: id of the padding.
    """

    def __init__(
        self,
        vocabulary: int,
        dim: int = 128,
        hidden: int = 128,
        layers: int = 1,
        *,
        cell: str = "gru",
        bidirectional: bool = True,
        dropout: float = 0.0,
        pad: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.vocabulary, self.pad = vocabulary, pad
        self.embedding = TokenEmbedding(vocabulary, dim, pad, device=device, dtype=dtype)
        self.dropout = nn.Dropout(check_share(dropout))
        self.rnn = recurrent(
            cell, (dim, hidden), layers, bidirectional=bidirectional, dropout=dropout,
            device=device, dtype=dtype,
        )  # fmt: skip
        self.dim = hidden * (2 if bidirectional else 1)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Ids ``[B, N]`` → ``[B, N, hidden]``, twice as wide for two directions; zeros at padding.

        ``mask [B, N]`` is boolean, True = real, padding at the end; by default it is so where an id
        is not ``pad``.
        """
        return self.read(ids, mask)[0]

    def read(self, ids: Tensor, mask: Tensor | None = None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """What ``forward`` gives, and the last states, h or h and c: ``[L · directions, B, H]``."""
        mask = real_tokens(check_ids(ids, self.vocabulary), mask, self.pad)
        count = lengths(mask)
        x = self.dropout(self.embedding(ids))
        # Of a sequence without any token one is read, and then hidden.
        packed = pack_padded_sequence(x, count.clamp(min=1).cpu(), True, enforce_sorted=False)
        out, last = self.rnn(packed)
        values, _ = pad_packed_sequence(out, True, total_length=ids.shape[1])
        states = last if isinstance(last, tuple) else (last,)
        some = (count > 0).unsqueeze(-1)
        return values * mask.unsqueeze(-1), tuple(state * some for state in states)


def recurrent(
    cell: str,
    widths: tuple[int, int],
    layers: int,
    *,
    bidirectional: bool = False,
    dropout: float = 0.0,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> nn.RNNBase:
    """PyTorch's GRU or LSTM with the widths of input and state, batch first."""
    if cell not in CELLS:
        raise RegardError(f"cell is {cell!r}; it can be {' or '.join(map(repr, CELLS))}")
    between = dropout if check_count(layers, "layers") > 1 else 0.0
    return CELLS[cell](
        check_count(widths[0], "dim"), check_count(widths[1], "hidden"), layers, batch_first=True,
        bidirectional=bidirectional, dropout=between, device=device, dtype=dtype,
    )  # fmt: skip


def run(rnn: nn.Module, x: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, Any]:
    """A network of :func:`recurrent` over ``x [B, N, D]``, its states always as a tuple."""
    out, last = rnn(x, states if len(states) > 1 else states[0])
    return out, last if isinstance(last, tuple) else (last,)
