"""The recurrent encoder-decoder: GRU or LSTM, any way of looking back, both wirings."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...errors import RegardError
from .aligners import aligner
from .encoder_decoder import EncoderDecoder, Source, evaluating
from .recurrent import RecurrentEncoder
from .recurrent_decoder import BahdanauDecoder, LuongDecoder, RecurrentState
from .tokens import TokenEmbedding, check_count


class RecurrentEncoderDecoder(EncoderDecoder):
    """An encoder that reads, and a decoder that looks back at it while it writes.

    The published sizes: Bahdanau ``dim=620, hidden=1000, maxout=500``; Luong ``wiring="luong",
    cell="lstm", dim=1000, hidden=1000, layers=4, bidirectional=False, dropout=0.2``, the source
    reversed.

    Args:
        source_vocabulary: number of tokens of the source.
        target_vocabulary: of the target.
        dim: width of the tokens' vectors.
        hidden: width of the decoder's states.
        layers: of the encoder and of the decoder.
        cell: ``gru`` or ``lstm``.
        attention: ``none``, ``dot``, ``general``, ``additive``, ``location``, ``local_p``, …; see
            :mod:`regard.networks.sequences.aligners`.
        wiring: ``bahdanau`` or ``luong``; see ``recurrent_decoder``.
        encoder_hidden: width of one direction of the encoder, by default ``hidden``.
        bidirectional: the encoder reads both ways.
        feeding: of Luong's wiring, input feeding.
        maxout: of Bahdanau's wiring, by default half of ``hidden``.
        window: of ``local_p``.
        dropout: of vectors, between layers, and before the output.
        pad, begin, end: ids of padding, and of the marks around a target.

    Raises:
        RegardError: for names and sizes that do not work.
    """

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int,
        dim: int = 256,
        hidden: int = 256,
        layers: int = 1,
        *,
        cell: str = "gru",
        attention: str = "additive",
        wiring: str = "bahdanau",
        encoder_hidden: int | None = None,
        bidirectional: bool = True,
        feeding: bool = True,
        maxout: int | None = None,
        window: int = 10,
        dropout: float = 0.0,
        pad: int = 0,
        begin: int = 1,
        end: int = 2,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__((source_vocabulary, target_vocabulary), pad=pad, begin=begin, end=end)
        check_count(layers, "layers")
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        self.encoder = RecurrentEncoder(
            source_vocabulary, dim, encoder_hidden or hidden, layers, cell=cell,
            bidirectional=bidirectional, dropout=dropout, pad=pad, **place,
        )  # fmt: skip
        widths = hidden, self.encoder.dim
        looking = aligner(attention, *widths, window=window, **place)
        embedding = TokenEmbedding(target_vocabulary, dim, pad, **place)
        cells: dict[str, Any] = {"cell": cell, "layers": layers, "dropout": dropout}
        self.decoder: BahdanauDecoder | LuongDecoder
        if wiring == "bahdanau":
            self.decoder = BahdanauDecoder(embedding, widths, looking, maxout=maxout, **cells)
        elif wiring == "luong":
            self.decoder = LuongDecoder(embedding, widths, looking, feeding=feeding, **cells)
        else:
            raise RegardError(f"wiring is {wiring!r}; it can be 'bahdanau' or 'luong'")
        self.layers, self.directions = layers, 2 if bidirectional else 1
        same = wiring == "luong" and not bidirectional and encoder_hidden in (None, hidden)
        kinds = 0 if same else 2 if cell == "lstm" else 1
        self.ends = self.directions if wiring == "luong" else 1
        width = self.ends * (encoder_hidden or hidden)
        self.bridge = nn.ModuleList(nn.Linear(width, hidden, **place) for _ in range(kinds))

    def encode(self, source: Tensor, mask: Tensor | None = None) -> Source:
        """Source ids ``[B, S]`` → vectors, mask, and the last states as the summary.

        The summary is ``[B, kinds, L, directions, H]``: h, or h and c, of every layer.
        """
        mask = self._mask(source, mask)
        values, states = self.encoder.read(source, mask)
        last = torch.stack(states).movedim(2, 0)
        return Source(values, mask, last.unflatten(2, (self.layers, self.directions)))

    def start(self, source: Source) -> RecurrentState:
        """The state before the first step.

        Each layer begins at tanh(W h), h the last state of the direction that read backwards
        (Bahdanau's appendix A.2.2), an LSTM's cell at W c. In Luong's wiring h are the last states
        of both directions; of one direction as wide as the decoder, itself without W and tanh.
        """
        if source.summary is None:
            raise RegardError("a recurrent decoder wants the last states of a recurrent encoder")
        last = source.summary[:, :, :, -self.ends :].flatten(3)
        ends = [x.transpose(0, 1) for x in last.unbind(1)]
        for i, layer in enumerate(self.bridge):
            ends[i] = layer(ends[i]) if i else torch.tanh(layer(ends[i]))
        context = source.summary[:, 0, -1].flatten(1)
        return self.decoder.begin(source, context, tuple(x.contiguous() for x in ends))

    def decode(self, target: Tensor, source: Source) -> Tensor:
        """Target ids ``[B, T]``, from the mark of the beginning on → logits ``[B, T, V]``."""
        return self.decoder(target, self.start(source))[0]

    def step(self, tokens: Tensor, state: RecurrentState) -> tuple[Tensor, RecurrentState]:
        """The last tokens ``[B]`` → logits of the next ``[B, V]``, and the state after."""
        logits, _, state = self.decoder(tokens.unsqueeze(1), state)
        return logits[:, 0], state

    @torch.no_grad()
    def attention_weights(
        self, source: Tensor, target: Tensor, mask: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The alignment: ``{"decoder.aligner": [B, T, S]}``, or nothing without attention."""
        self._check_pair(source, target)
        with evaluating(self):
            weights = self.decoder(target, self.start(self.encode(source, mask)))[1]
        return {} if weights is None else {"decoder.aligner": weights.cpu()}
