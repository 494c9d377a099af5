r"""What flows from source to target in an encoder-decoder: rollout, and gradient × attention.

Rollout (Abnar and Zuidema, arXiv:2005.00928) of the tokens of both sides as one: with
:math:`A = \tfrac12(\bar W + I)` of each self-attention, :math:`\bar W^{ti}` of the attention
between, and :math:`E` the rollout of the encoder,

.. math:: F \leftarrow A F \quad\text{(self)}, \qquad
          F \leftarrow \tfrac12 F + \tfrac12 \bar W^{ti} E \quad\text{(between)}, \qquad F_0 = 0.

Gradient × attention (Chefer, Gur and Wolf, arXiv:2103.15679): with :math:`\bar A` the mean over the
heads of :math:`(\nabla A \odot A)^+`, equation 7 for the decoder's self-attention, and equation 10
for the attention between, where R of the encoder is normalised by equations 8 and 9:

.. math:: R \leftarrow R + \bar A R \quad\text{(self)}, \qquad
          R \leftarrow R + \bar A^{ti} \bar R^{ii} \quad\text{(between)}, \qquad R_0 = 0.

Equation 10 also multiplies by the transposed relevance among the target's tokens. It is left out:
in a decoder that writes in order it would credit a token with what only later ones have read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import RegardError
from ..maps import Map
from .propagation import flowing, relevance
from .rolling import RESIDUAL, rollout, step_of


@dataclass(frozen=True, slots=True)
class Crossing:
    """The attention of one forward of an encoder-decoder.

    Args:
        encoder: weights ``[B, h, S, S]``, layer by layer; none where the encoder has none.
        decoder: for each layer its self-attention ``[B, h, T, T]`` and that over the source
            ``[B, h, T, S]``.
    """

    encoder: list[Map]
    decoder: list[tuple[Map, Map]]

    @property
    def source(self) -> Tensor:
        """The identity of the source's tokens, ``[B, S, S]``."""
        last = self.decoder[-1][1].values
        return torch.eye(last.shape[-1], dtype=last.dtype).repeat(len(last), 1, 1)

    @property
    def nothing(self) -> Tensor:
        """Zeros ``[B, T, S]``."""
        last = self.decoder[-1][1].values
        return last.new_zeros(len(last), *last.shape[-2:])


def crossing_of(maps: Iterable[Map]) -> Crossing | None:
    """The two stacks, told apart by sizes and order; None where these are not what maps are of.

    A decoder's layer attends over the target and then over the source, so the last weights are over
    the source. With as many tokens on both sides a decoder is known by seeing none of its own that
    follow.
    """
    rest = [m for m in maps if m.kind == "weights"]
    if not rest or any(m.values.dim() not in (3, 4) or m.pooled != (1, 1) for m in rest):
        return None
    target, source = rest[-1].values.shape[-2:]
    layers: list[tuple[Map, Map]] = []
    while len(rest) > 1 and _is_layer(rest[-2], rest[-1], target, source):
        layers.append((rest[-2], rest[-1]))
        rest = rest[:-2]
    encodes = all(m.values.shape[-2:] == (source, source) for m in rest)
    batches = {len(m.values) for m in rest} | {len(m.values) for pair in layers for m in pair}
    return Crossing(rest, layers[::-1]) if layers and encodes and len(batches) == 1 else None


def crossing(maps: Iterable[Map], asked: str) -> Crossing:
    """As :func:`crossing_of`.

    Raises:
        RegardError: where the maps are of no encoder-decoder that was run once.
    """
    found = crossing_of(maps)
    if found is None:
        raise RegardError(
            f"{asked} takes one forward of an encoder-decoder: layers of self-attention over the "
            "source, then layers that attend over the target and over the source, whole "
            "(Keep(longest=None)).\nOf text written token by token, run the model on all of it"
        )
    return found


def cross_rollout(maps: Iterable[Map], residual: float = RESIDUAL) -> Tensor:
    """How much of each source token reaches each target token.

    Args:
        maps: of one forward of an encoder-decoder.
        residual: weight of the residual path in each layer, 0 to 1.

    Returns:
        ``[B, T, S]``; what a row lacks to one comes from the target's own tokens.

    Raises:
        RegardError: where the maps are of no encoder-decoder.
    """
    found = crossing(maps, "cross_rollout")
    encoded = rollout(found.encoder, residual) if found.encoder else found.source
    flow = found.nothing
    for own, between in found.decoder:
        flow = step_of(own, residual) @ flow
        flow = residual * flow + (1 - residual) * step_of(between, 0.0) @ encoded
    return flow


def cross_relevance(maps: Iterable[Map]) -> Tensor:
    """Relevance of each source token at each target token, for what was differentiated.

    Args:
        maps: of one forward of an encoder-decoder, seen with ``gradients=True``, after a backward.

    Returns:
        ``[B, T, S]``, zero and above.

    Raises:
        RegardError: where the maps are of no encoder-decoder, or have no gradients.
    """
    found = crossing(maps, "cross_relevance")
    encoded = found.source
    if found.encoder:
        others = relevance(found.encoder) - found.source
        encoded = encoded + others / others.sum(-1, keepdim=True).clamp(min=1e-12)
    flow = found.nothing
    for own, between in found.decoder:
        flow = flow + flowing(own) @ flow
        flow = flow + flowing(between) @ encoded
    return flow


def _is_layer(own: Map, between: Map, target: int, source: int) -> bool:
    """Whether these two are of one layer of a decoder."""
    shapes = own.values.shape[-2:], between.values.shape[-2:]
    if shapes != ((target, target), (target, source)):
        return False
    if target != source:
        return True
    in_order = [not bool(m.values.triu(1).any()) for m in (own, between)]
    return in_order == [True, False]
