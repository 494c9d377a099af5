r"""Decoding: greedy, and plain beam search with length normalisation.

A hypothesis y scores log P(y) / lp(y), where lp is that of Wu et al. 2016 (arXiv:1609.08144,
eq. 14), as in Vaswani et al. (α = 0.6, beam 4):

.. math:: lp(y) = \left(\frac{5 + |y|}{6}\right)^\alpha

with the mark of the end counted. Beam search is the plain one of Sutskever et al. and Bahdanau et
al.: a hypothesis that ends leaves the beam, which is narrower by one from then on. So a beam of one
is greedy search, and a beam as wide as there are sequences finds the best of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from .encoder_decoder import EncoderDecoder, Source, evaluating
from .tokens import check_count

FURTHER = 50  # tokens that a target may have more than its source, as in Vaswani et al.


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A found target.

    Args:
        tokens: ids, without the marks of beginning and end.
        score: log probability over the length penalty.
        ended: False where the most tokens were reached without the mark of the end.
    """

    tokens: tuple[int, ...]
    score: float
    ended: bool


class _Stepper(Protocol):
    def step(self, tokens: Tensor) -> Tensor: ...
    def select(self, rows: Tensor) -> None: ...


class _Cached:
    """Goes on from what the network keeps."""

    def __init__(self, model: EncoderDecoder, source: Source) -> None:
        self.model, self.state = model, model.start(source)

    def step(self, tokens: Tensor) -> Tensor:
        logits, self.state = self.model.step(tokens, self.state)
        return logits

    def select(self, rows: Tensor) -> None:
        self.state = self.state.select(rows)


class _Uncached:
    """Runs the network over the whole target again at each step."""

    def __init__(self, model: EncoderDecoder, source: Source) -> None:
        self.model, self.source = model, source
        self.target: Tensor | None = None

    def step(self, tokens: Tensor) -> Tensor:
        new = tokens.unsqueeze(1)
        self.target = new if self.target is None else torch.cat([self.target, new], 1)
        return self.model.decode(self.target, self.source)[:, -1]

    def select(self, rows: Tensor) -> None:
        self.source = self.source.select(rows)
        self.target = None if self.target is None else self.target.index_select(0, rows)


@torch.no_grad()
def greedy(
    model: EncoderDecoder,
    source: Tensor,
    mask: Tensor | None = None,
    *,
    most: int | None = None,
    alpha: float = 0.6,
    cached: bool = True,
) -> list[Hypothesis]:
    """The likeliest token again and again.

    Args:
        model: one of our encoder-decoders; dropout is off meanwhile.
        source: ids ``[B, S]``.
        mask: boolean, True = real; by default where ``source`` is not padding.
        most: tokens of a target, by default 50 more than its source has; never more than learned
            positions know.
        alpha: exponent of the length penalty in the score; the tokens do not depend on it.
        cached: keep keys, values and states from step to step; without, all is computed again.

    Returns:
        One hypothesis for each source.

    Raises:
        RegardError: for ids, masks or numbers that do not work.
    """
    with evaluating(model):
        encoded = model.encode(source, mask)
        limits = _limits(model, encoded, most)
        stepper: _Stepper = _Cached(model, encoded) if cached else _Uncached(model, encoded)
        tokens = limits.new_full((len(source),), model.begin)
        total, done = (
            encoded.values.new_zeros(len(source)),
            torch.zeros_like(limits, dtype=torch.bool),
        )
        columns: list[Tensor] = []
        while not bool(done.all()):
            logits = _allowed(model, stepper.step(tokens))
            found = logits.argmax(1)
            unlikely = F.cross_entropy(logits, found, reduction="none")  # −log of the likeliest
            total = torch.where(done, total, total - unlikely)
            tokens = found.masked_fill(done, model.end)
            columns.append(tokens)
            done = done | (tokens == model.end) | (len(columns) >= limits)
    rows = torch.stack(columns, 1).tolist()
    return [
        _hypothesis(model, row[:limit], score, alpha)
        for row, score, limit in zip(rows, total.tolist(), limits.tolist(), strict=True)
    ]


@torch.no_grad()
def beam_search(
    model: EncoderDecoder,
    source: Tensor,
    mask: Tensor | None = None,
    *,
    beams: int = 4,
    most: int | None = None,
    alpha: float = 0.6,
    cached: bool = True,
) -> list[list[Hypothesis]]:
    """Several hypotheses side by side.

    Args:
        model, source, mask, most, cached: as for :func:`greedy`.
        beams: how many hypotheses are followed.
        alpha: exponent of the length penalty; 0 for none, greater for longer targets.

    Returns:
        For each source at most so many hypotheses, the best first.

    Raises:
        RegardError: for ids, masks or numbers that do not work.
    """
    check_count(beams, "beams")
    with evaluating(model):
        encoded = model.encode(source, mask)
        limits = _limits(model, encoded, most)
        rows = torch.arange(len(source), device=source.device).repeat_interleave(beams)
        encoded = encoded.select(rows)
        stepper: _Stepper = _Cached(model, encoded) if cached else _Uncached(model, encoded)
        beam = _Beam(model, limits, beams, encoded.values.dtype, alpha)
        while beam.alive:
            logits = _allowed(model, stepper.step(beam.tokens))
            stepper.select(beam.advance(logits.log_softmax(-1)))
    return [sorted(found, key=lambda h: -h.score) for found in beam.found]


class _Beam:
    """All hypotheses of all sources, ``[B, k]``; a score of −∞ where there is none."""

    def __init__(
        self, model: EncoderDecoder, limits: Tensor, beams: int, dtype: torch.dtype, alpha: float
    ) -> None:
        self.model, self.limits, self.beams, self.alpha = model, limits, beams, alpha
        batch = len(limits)
        self.found: list[list[Hypothesis]] = [[] for _ in range(batch)]
        self.target = limits.new_zeros(batch * beams, 0)
        self.tokens = limits.new_full((batch * beams,), model.begin)
        self.scores = torch.full((batch, beams), -torch.inf, dtype=dtype, device=limits.device)
        self.scores[:, 0] = 0.0  # all hypotheses are the same at first

    @property
    def alive(self) -> bool:
        """Whether any hypothesis can still grow."""
        return bool((self.scores > -torch.inf).any())

    def advance(self, chances: Tensor) -> Tensor:
        """Grow by one token, given log probabilities ``[B · k, V]``; the rows that it came from."""
        vocabulary = chances.shape[1]
        sums = self.scores.unsqueeze(2) + chances.unflatten(0, (-1, self.beams))
        self.scores, place = sums.flatten(1).topk(self.beams)
        first = torch.arange(len(place), device=place.device).unsqueeze(1) * self.beams
        rows = (first + place // vocabulary).flatten()
        self.tokens = (place % vocabulary).flatten()
        self.target = torch.cat([self.target[rows], self.tokens.unsqueeze(1)], 1)
        self._take_ended()
        return rows

    def _take_ended(self) -> None:
        """Narrow the beams by what has ended before, and take out what ends now."""
        free = torch.tensor([self.beams - len(f) for f in self.found], device=self.scores.device)
        rank = torch.arange(self.beams, device=free.device)
        self.scores = self.scores.masked_fill(rank >= free.unsqueeze(1), -torch.inf)
        over = (self.limits <= self.target.shape[1]).unsqueeze(1)
        ended = (self.tokens.view_as(self.scores) == self.model.end) | over
        for sample, slot in (ended & (self.scores > -torch.inf)).nonzero().tolist():
            tokens = self.target[sample * self.beams + slot].tolist()
            score = float(self.scores[sample, slot])
            self.found[sample].append(_hypothesis(self.model, tokens, score, self.alpha))
        self.scores = self.scores.masked_fill(ended, -torch.inf)


def _limits(model: EncoderDecoder, source: Source, most: int | None) -> Tensor:
    """The most tokens of each target, ``[B]``."""
    limits = source.mask.sum(1) + FURTHER
    if most is not None:
        limits = torch.full_like(limits, check_count(most, "most"))
    return limits if model.longest is None else limits.clamp(max=model.longest)


def _allowed(model: EncoderDecoder, logits: Tensor) -> Tensor:
    """The logits ``[B, V]`` with −∞ for padding and the mark of the beginning, which never come."""
    for token in (model.pad, model.begin):
        logits[:, token] = -torch.inf
    return logits


def _hypothesis(model: EncoderDecoder, tokens: list[int], total: float, alpha: float) -> Hypothesis:
    ended = model.end in tokens
    kept = tokens[: tokens.index(model.end)] if ended else tokens
    penalty = ((5 + len(kept) + ended) / 6) ** alpha
    return Hypothesis(tuple(kept), total / penalty, ended)
