r"""A recurrent decoder, in the wiring of Bahdanau or of Luong.

Bahdanau et al. 2015 (arXiv:1409.0473, appendix A.2.2) look before they step, with the previous
state, and make the word from that state, the previous word and what was found, by maxout:

.. math:: c_i = a(s_{i-1}), \quad s_i = \mathrm{RNN}([E y_{i-1}; c_i], s_{i-1}), \quad
          t_i = \mathrm{maxout}(U_o s_{i-1} + V_o E y_{i-1} + C_o c_i), \quad W_o t_i

Luong et al. 2015 (arXiv:1508.04025, eq. 5 and 6) step first and look with the new state; with
input feeding, :math:`\tilde h` of the step before goes into the next:

.. math:: h_t = \mathrm{RNN}([E y_{t-1}; \tilde h_{t-1}], h_{t-1}), \quad
          \tilde h_t = \tanh(W_c [a(h_t); h_t]), \quad W_s \tilde h_t

Without attention the first is Cho's RNNencdec, the context the same summary at every step, and the
second Sutskever's, with nothing of the source but the first state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from .aligners import Aligner
from .encoder_decoder import Source
from .recurrent import recurrent, run
from .tokens import TokenEmbedding, check_share


@dataclass(frozen=True, slots=True)
class RecurrentState:
    """What a recurrent decoder keeps from step to step.

    Args:
        source: what it looks at.
        prepared: of the source for its score; without attention the context ``[B, D]``.
        states: h, or h and c, each ``[L, B, H]``.
        fed: the attentional vector of the step before ``[B, 1, H]``, or None.
        weights: those of the step before ``[B, 1, S]``, or None.
    """

    source: Source
    prepared: Tensor
    states: tuple[Tensor, ...]
    fed: Tensor | None = None
    weights: Tensor | None = None

    def select(self, rows: Tensor) -> RecurrentState:
        """The given samples, in the order given."""
        fed, weights = (
            None if x is None else x.index_select(0, rows) for x in (self.fed, self.weights)
        )
        states = tuple(state.index_select(1, rows) for state in self.states)
        prepared = self.prepared.index_select(0, rows)
        return RecurrentState(self.source.select(rows), prepared, states, fed, weights)


class RecurrentDecoder(nn.Module):
    """What both wirings have: vectors of tokens, a network of cells, a way of looking back.

    Args:
        embedding: of the target's tokens.
        widths: of the states and of the source.
        looking: the aligner, None for a fixed-length context.
        cell, layers, dropout: of the recurrent network.
    """

    def __init__(
        self,
        embedding: TokenEmbedding,
        widths: tuple[int, int],
        looking: Aligner | None,
        inputs: int,
        *,
        cell: str,
        layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        place: dict[str, Any] = {
            "device": embedding.weight.device,
            "dtype": embedding.weight.dtype,
        }
        self.embedding, self.aligner = embedding, looking
        self.hidden, self.source_dim = widths
        self.dropout = nn.Dropout(check_share(dropout))
        self.rnn = recurrent(cell, (inputs, self.hidden), layers, dropout=dropout, **place)
        self.place = place

    def begin(self, source: Source, context: Tensor, states: tuple[Tensor, ...]) -> RecurrentState:
        """The state before the first step, given a fixed-length context and first states."""
        prepared = context if self.aligner is None else self.aligner.prepare(source.values)
        return RecurrentState(source, prepared, states)

    def look(self, query: Tensor, state: RecurrentState) -> tuple[Tensor, Tensor | None]:
        """What states ``[B, T, H]`` find in the source ``[B, T, D]``, and their weights."""
        source = state.source
        if self.aligner is None:
            return state.prepared.unsqueeze(1).expand(-1, query.shape[1], -1), None
        weights = self.aligner(query, state.prepared, source.mask, state.weights)
        return weights @ source.values, weights

    def words(self, ids: Tensor) -> Tensor:
        """Vectors of tokens ``[B, T, E]``."""
        return self.dropout(self.embedding(ids))

    def forward(
        self, ids: Tensor, state: RecurrentState
    ) -> tuple[Tensor, Tensor | None, RecurrentState]:
        """Tokens ``[B, T]`` → logits ``[B, T, V]``, weights ``[B, T, S]``, and the state after."""
        raise NotImplementedError


class BahdanauDecoder(RecurrentDecoder):
    """Looks with the state before the step; see the top of the file.

    Args:
        maxout: width of t; each number is the greater of two.
    """

    def __init__(
        self,
        embedding: TokenEmbedding,
        widths: tuple[int, int],
        looking: Aligner | None,
        *,
        cell: str = "gru",
        layers: int = 1,
        dropout: float = 0.0,
        maxout: int | None = None,
    ) -> None:
        inputs = embedding.dim + widths[1]
        super().__init__(
            embedding, widths, looking, inputs, cell=cell, layers=layers, dropout=dropout
        )
        half = maxout or max(1, self.hidden // 2)
        self.readout = nn.Linear(self.hidden + inputs, 2 * half, **self.place)
        self.output = nn.Linear(half, embedding.vocabulary, **self.place)

    def forward(
        self, ids: Tensor, state: RecurrentState
    ) -> tuple[Tensor, Tensor | None, RecurrentState]:
        """See :class:`RecurrentDecoder`."""
        words, parts, looks = self.words(ids), [], []
        for word in words.split(1, 1):
            before = state.states[0][-1].unsqueeze(1)
            found, weights = self.look(before, state)
            both = torch.cat([word, found], 2)
            _, states = run(self.rnn, both, state.states)
            state = replace(state, states=states, weights=weights)
            parts.append(torch.cat([before, both], 2))
            looks.append(weights)
        maxima = self.readout(torch.cat(parts, 1)).unflatten(2, (-1, 2)).amax(3)
        return self.output(self.dropout(maxima)), joined(looks), state


class LuongDecoder(RecurrentDecoder):
    """Looks with the state after the step; see the top of the file.

    Args:
        feeding: the attentional vector goes into the next step too. Without it, unless the weights
            need those before, all steps of a known target are looked at together.
    """

    def __init__(
        self,
        embedding: TokenEmbedding,
        widths: tuple[int, int],
        looking: Aligner | None,
        *,
        cell: str = "gru",
        layers: int = 1,
        dropout: float = 0.0,
        feeding: bool = True,
    ) -> None:
        feeding = feeding and looking is not None
        inputs = embedding.dim + (widths[0] if feeding else 0)
        super().__init__(
            embedding, widths, looking, inputs, cell=cell, layers=layers, dropout=dropout
        )
        self.feeding = feeding
        if looking is not None:
            self.combine = nn.Linear(sum(widths), self.hidden, bias=False, **self.place)
        self.output = nn.Linear(self.hidden, embedding.vocabulary, bias=False, **self.place)

    def forward(
        self, ids: Tensor, state: RecurrentState
    ) -> tuple[Tensor, Tensor | None, RecurrentState]:
        """See :class:`RecurrentDecoder`."""
        words = self.words(ids)
        alone = self.feeding or (self.aligner is not None and self.aligner.looks_back)
        found, looks = [], []
        for word in words.split(1, 1) if alone else (words,):
            vector, state = self._step(word, state)
            found.append(vector)
            looks.append(state.weights)
        state = replace(state, weights=None if state.weights is None else state.weights[:, -1:])
        return self.output(self.dropout(torch.cat(found, 1))), joined(looks), state

    def _step(self, word: Tensor, state: RecurrentState) -> tuple[Tensor, RecurrentState]:
        """Words ``[B, T, E]`` → attentional vectors ``[B, T, H]``, and the state after."""
        if self.feeding:
            fed = word.new_zeros(len(word), 1, self.hidden) if state.fed is None else state.fed
            word = torch.cat([word, fed], 2)
        hidden, states = run(self.rnn, word, state.states)
        if self.aligner is None:
            return hidden, replace(state, states=states)
        found, weights = self.look(hidden, state)
        vector = torch.tanh(self.combine(torch.cat([found, hidden], 2)))
        last = vector[:, -1:] if self.feeding else None
        return vector, replace(state, states=states, fed=last, weights=weights)


def joined(looks: list[Tensor | None]) -> Tensor | None:
    """The weights of all steps as one tensor, None without attention."""
    seen = [look for look in looks if look is not None]
    return torch.cat(seen, 1) if seen else None
