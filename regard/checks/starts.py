"""Rules on how a mechanism begins: where nothing has been learned yet, and from there on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from ..cards import Card
from ..catalogue import options_of
from .gradients import weighted_sum
from .rule import ALL, NotApplicable, require, require_same, rule
from .specimen import Specimen, specimen

STEP = 0.01  # of the parameter that moves farthest


@rule("identity", *ALL)
def identity(card: Card) -> None:
    """At an identity start every variant gives its input, in both modes."""
    for subject, options in _identities(card):
        for training in (False, True):
            module = subject.build(moved=False, training=training, **options)
            inputs = subject.inputs()
            out = module.float()(*(x.float() for x in inputs))
            require_same(out, inputs[0].float(), "the output is not the input", 0.0, 1e-6)


@rule("departure", *ALL)
def departure(card: Card) -> None:
    """Two steps from an identity start every parameter has a gradient: training can leave it.

    The first step moves the last layer, the second what is before it. What has no gradient even
    then has none for ever: zero weights behind a zero scale are a saddle.
    """
    for subject, options in _identities(card):
        _require_way_out(subject, subject.build(moved=False, training=True, **options))


def _identities(card: Card) -> Iterator[tuple[Specimen, dict[str, str]]]:
    """The mechanism, and the options with which each variant starts as the identity."""
    if card.start == "none":
        raise NotApplicable("it cannot start as the identity")
    for variant in _variants(card):
        yield specimen(card), {**variant, **_start(card)}


def _start(card: Card) -> dict[str, Any]:
    return {"start": "identity"} if "start" in options_of(card) else {}


def _variants(card: Card) -> list[dict[str, str]]:
    return [{"variant": v} for v in card.variants] if "variant" in options_of(card) else [{}]


def _require_way_out(subject: Specimen, module: nn.Module) -> None:
    """Three backward passes with two steps between; after the last everything has a gradient."""
    parameters = dict(module.named_parameters())
    for step in range(3):
        module.zero_grad()
        weighted_sum(module(*subject.inputs(batch=8, seed=10 + step))).backward()
        found = {n: p.grad for n, p in parameters.items() if p.grad is not None and p.grad.any()}
        require(bool(found), f"no parameter receives a gradient after {step} steps")
        scale = STEP / max(float(g.abs().max()) for g in found.values())
        with torch.no_grad():
            for name, gradient in found.items():
                parameters[name].sub_(gradient, alpha=scale)
    idle = ", ".join(n for n in parameters if n not in found)
    require(not idle, f"two steps from an identity start no gradient reaches {idle}")


@rule("residual", "map", "tokens")
def residual(card: Card) -> None:
    """A residual start adds the input: by ``residual=True``, or always if there is no such option.

    ``plug`` relies on it at every start.
    """
    if card.start != "residual":
        raise NotApplicable("its start is no residual")
    subject = specimen(card)
    x, *others = subject.inputs()
    if "residual" in options_of(card):
        given = _start(card)
        added = subject.build(residual=True, **given)(x, *others)
        bare = subject.build(residual=False, **given)(x, *others)
        require_same(added, bare + x, "residual=True is not residual=False plus the input")
    elif "start" in options_of(card):
        module = subject.build(moved=False)
        module.load_state_dict(subject.build(moved=False, start="identity").state_dict())
        otherwise = "it has no option residual, and adds its input only at an identity start"
        x = x.abs()  # what goes through a rectifier that a published form ends in
        require_same(module(x, *others), x, otherwise)
