"""Rules on codes of places, each with the form that its card states."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from .rule import require, require_same, rule
from .specimen import Specimen, arguments, specimen

LONG = 9


@rule("position", "position")
def position(card: Card) -> None:
    """A code depends on places alone, not on contents or length, and tells places apart.

    A rotation keeps lengths; after it, and in a bias, only the distance of query and key counts.
    """
    judge = {"add": _added, "rotate": _rotated, "bias": _biased}[card.position]
    subject = specimen(card)
    module = subject.build()
    judge(subject, module)
    (x,) = subject.inputs(extent=(LONG,))
    short = module(x[..., :5, :])
    whole = module(x)[..., :5, :5] if card.position == "bias" else module(x)[..., :5, :]
    require_same(short, whole, "the code of the first places depends on how many follow")
    if "offset" in arguments(card):
        later = module(x[..., 3:, :], offset=3)
        require_same(later, module(x)[..., 3:, :], "with offset=3 they are not places 3, 4, …")


def _added(subject: Specimen, module: nn.Module) -> None:
    a, b = _two(subject)
    code = module(a) - a
    require_same(module(b) - b, code, "what is added depends on the tokens")
    _require_apart(code[0])


def _rotated(subject: Specimen, module: nn.Module) -> None:
    a, b = _two(subject)
    require_same(module(a).norm(dim=-1), a.norm(dim=-1), "it changes the length of vectors")
    require_same(module(a + b), module(a) + module(b), "the rotation depends on what is turned")
    query, key = (module(x[:, :, :1].expand_as(x)) for x in (a, b))
    _require_apart(query[0, 0])
    _require_distances(query @ key.transpose(-2, -1))


def _biased(subject: Specimen, module: nn.Module) -> None:
    a, b = _two(subject)
    bias = module(a)
    require_same(module(b), bias, "the bias depends on queries and keys")
    _require_distances(bias)
    require_same(
        module(a[:, :, -3:], a), bias[:, -3:], "fewer queries are not the last of the keys"
    )
    require(bool((bias.amax((1, 2)) > bias.amin((1, 2))).all()), "a head has one bias for all")


def _two(subject: Specimen) -> tuple[Tensor, Tensor]:
    (a,), (b,) = (subject.inputs(extent=(LONG,), seed=seed) for seed in (1, 2))
    return a, b


def _require_apart(rows: Tensor) -> None:
    gaps = torch.cdist(rows, rows) + torch.eye(len(rows), dtype=rows.dtype)
    require(bool((gaps > 1e-6).all()), "two places have one code")


def _require_distances(logits: Tensor) -> None:
    moved, kept = logits[..., 1:, 1:], logits[..., :-1, :-1]
    require_same(moved, kept, "one step further, the same distance gives another logit")
