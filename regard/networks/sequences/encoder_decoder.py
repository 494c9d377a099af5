"""What every encoder-decoder of ours has: ids in, logits out; one step at a time for decoding."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ...errors import RegardError
from ...maps import record
from .tokens import check_id, check_ids, real_tokens


@dataclass(frozen=True, slots=True)
class Source:
    """What an encoder gives a decoder.

    Args:
        values: ``[B, S, D]``, a vector for each token; zeros or anything where there is none.
        mask: ``[B, S]``, True = real.
        summary: the last states of a recurrent encoder, ``[B, …]``, else None.
    """

    values: Tensor
    mask: Tensor
    summary: Tensor | None = None

    def select(self, rows: Tensor) -> Source:
        """The given samples, in the order given."""
        summary = None if self.summary is None else self.summary.index_select(0, rows)
        return Source(self.values.index_select(0, rows), self.mask.index_select(0, rows), summary)


class State(Protocol):
    """What a decoder keeps from step to step."""

    def select(self, rows: Tensor) -> Any:
        """The given samples, in the order given; a row may be taken several times."""


class EncoderDecoder(nn.Module):
    """The frame of encoder-decoders.

    Args:
        vocabularies: number of tokens of the source and of the target.
        pad, begin, end: ids of padding (in both), and of the marks around a target.
    """

    def __init__(
        self, vocabularies: tuple[int, int], *, pad: int = 0, begin: int = 1, end: int = 2
    ) -> None:
        super().__init__()
        self.longest: int | None = None  # the most tokens of a target, where there is a limit
        self.source_vocabulary, self.target_vocabulary = vocabularies
        self.pad = check_id(pad, min(vocabularies), "pad")
        self.begin = check_id(begin, self.target_vocabulary, "begin")
        self.end = check_id(end, self.target_vocabulary, "end")
        if end in (pad, begin):
            raise RegardError(f"end is {end}, as pad or begin is; it must have an id of its own")

    def encode(self, source: Tensor, mask: Tensor | None = None) -> Source:
        """Source ids ``[B, S]`` → what the decoder attends over."""
        raise NotImplementedError

    def decode(self, target: Tensor, source: Source) -> Tensor:
        """Target ids ``[B, T]``, from the mark of the beginning on → logits ``[B, T, V]``."""
        raise NotImplementedError

    def start(self, source: Source) -> State:
        """The state before the first step."""
        raise NotImplementedError

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The last tokens ``[B]`` → logits of the next ``[B, V]``, and the state after."""
        raise NotImplementedError

    def forward(self, source: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits of the token after each of the target.

        Args:
            source: ids ``[B, S]``, padded at the end.
            target: ids ``[B, T]``, beginning with the mark ``begin``, padded at the end. What
                stands at padding is of no use; it moves nothing else.
            mask: boolean ``[B, S]``, True = real; by default where ``source`` is not ``pad``.

        Returns:
            ``[B, T, V]``.
        """
        self._check_pair(source, target)
        return self.decode(target, self.encode(source, mask))

    @torch.no_grad()
    def attention_weights(
        self, source: Tensor, target: Tensor, mask: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The weights of every attention in a forward without dropout; nothing is kept.

        Returns:
            By the module's name, ``[B, h, T, S]`` or ``[B, T, S]`` on the CPU.
        """
        return weights_of(self, source, target, mask)

    def _check_pair(self, source: Tensor, target: Tensor) -> None:
        check_ids(source, self.source_vocabulary, "source ids")
        check_ids(target, self.target_vocabulary, "target ids")
        if len(source) != len(target):
            raise RegardError(f"{len(source)} sources and {len(target)} targets; they go in pairs")

    def _mask(self, source: Tensor, mask: Tensor | None) -> Tensor:
        check_ids(source, self.source_vocabulary, "source ids")
        return real_tokens(source, mask, self.pad)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Every module in eval mode inside the block, and as it was after."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def weights_of(model: nn.Module, *inputs: Tensor | None) -> dict[str, Tensor]:
    """The attention weights of one forward without dropout, by the module that made them."""
    with torch.no_grad(), evaluating(model), record(model) as found:
        model(*inputs)
    return {seen.site: seen.values for seen in found if seen.kind == "weights"}
