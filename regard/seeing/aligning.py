"""What each written token looked at in the source, by each method: alignment matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import RegardError
from ..maps import Keep, record
from .alignments import SOURCE as BAHDANAU
from .alignments import alignment
from .crossing import cross_relevance, cross_rollout
from .propagation import SOURCE as CHEFER
from .result import Maps
from .rolling import SOURCE as ABNAR
from .subject import Subject
from .targets import by_token, call, differentiable

_WHOLE = Keep(kinds=("weights",), longest=None)


@dataclass(frozen=True, slots=True, eq=False)
class Aligned:
    """One matrix.

    Args:
        values: ``[T, S]``: a row for each token that was written after the first.
        rule: how it is computed.
        judged: the heat whose tests judge this method.
    """

    values: Tensor
    rule: str
    judged: str


def aligned(subject: Subject, maps: Maps) -> tuple[dict[str, Aligned], dict[str, str]]:
    """The alignments of a text that a model wrote, by method, and why others are missing.

    Args:
        subject: with ``spoken``; of any other there is none.
        maps: of one forward.
    """
    made: dict[str, Aligned] = {}
    refused: dict[str, str] = {}
    for name, judged, method, rule in _METHODS if len(subject.spoken) > 1 else ():
        try:
            values = method(subject, maps)
        except RegardError as error:
            refused[f"alignment by {name}"] = str(error).splitlines()[0]
        else:
            made[name] = Aligned(values, rule, judged)
    return made, refused


def _looked_at(subject: Subject, maps: Maps) -> Tensor:
    return alignment(maps)[0, : len(subject.spoken) - 1]


def _rolled_out(subject: Subject, maps: Maps) -> Tensor:
    return cross_rollout(maps)[0, :-1]


def _relevant(subject: Subject, maps: Maps) -> Tensor:
    """Each token's own log-probability differentiated: as many copies of the input as tokens."""
    count = len(subject.spoken) - 1
    x: Any = {name: t.expand(count, *t.shape[1:]) for name, t in subject.x.items()}
    with (
        differentiable(subject.model) as parameters,
        record(subject.model, _WHOLE, gradients=True) as found,
    ):
        score = by_token(call(subject.model, x), subject.spoken).diagonal().sum()
        torch.autograd.grad(score, parameters, allow_unused=True)
    flow = cross_relevance(found)
    rows = torch.arange(count)
    return flow[rows, rows]


_METHODS = (
    (
        "attention", "attention of the last layer", _looked_at,
        f"Weights of the last attention over the source, heads averaged ({BAHDANAU}).",
    ),
    (
        "rollout", "attention rollout", _rolled_out,
        "The rollout of the encoder, carried by each attention over the source and by the "
        f"decoder's own, with half of each layer for the residual path (after {ABNAR}); what a row "
        "lacks to one comes from what was written before.",
    ),
    (
        "gradient × attention", "gradient × attention", _relevant,
        "Weights times their gradient, each row for the log-probability of its own token "
        f"({CHEFER}, equations 6 to 10 without the transposed relevance among written tokens).",
    ),
)  # fmt: skip
