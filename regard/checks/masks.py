"""Rules on masks, order and time. True = real, or may attend."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..maps import record
from .rule import MAPS, TOKENS, NotApplicable, require, require_finite, require_same, rule
from .specimen import Specimen, arguments, specimen, takes_two_sources

POISON = 1e3  # what stands in padding: far from the data, and finite, for 0 · ∞ is NaN


@rule("masked_row", *TOKENS)
def masked_row(card: Card) -> None:
    """Where nothing may be attended output and weights are zero, and gradients are finite."""
    _require_argument(card, "mask")
    subject = specimen(card)
    inputs = tuple(x.requires_grad_() for x in subject.inputs())
    module = subject.build()
    keys = inputs[-1].shape[1]
    mask = torch.ones(2, keys, dtype=torch.bool)
    mask[1] = False
    with record(module) as found:
        out = module(*inputs, mask=mask)
    _require_no_weights([m.values[1] for m in found if m.kind == "weights"])
    require_finite(out, "a sample that may attend nowhere")
    require(not out[1].any(), "a sample that may attend nowhere gets something other than zeros")
    require(bool(out[0].any()), "a sample beside it gets zeros too")
    out.square().sum().backward()
    for x in (*inputs, *module.parameters()):
        require_finite(x.grad, "gradients beside a sample that may attend nowhere")
    if card.takes == "tokens":
        _one_row(module, inputs)


def _require_no_weights(rows: list[Tensor]) -> None:
    """Weights of a sample or a query that may attend nowhere, of those that the recorder sees."""
    for row in rows:
        require_finite(row, "weights of what may attend nowhere")
        require(not row.any(), "what may attend nowhere has weights other than zeros")


def _one_row(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """One query alone that may attend nowhere."""
    mask = torch.ones(2, inputs[0].shape[1], inputs[-1].shape[1], dtype=torch.bool)
    mask[0, 1] = False
    try:
        with record(module) as found:
            out = module(*inputs, mask=mask)
    except RegardError:
        return  # kernels without a score for each pair cannot take it
    queries = inputs[0].shape[1]
    weights = [m.values[0] for m in found if m.kind == "weights" and m.values.shape[-2] == queries]
    _require_no_weights([row[..., 1, :] for row in weights])
    zero = not out[0, 1].any()
    require(zero, "a query that may attend nowhere gets something other than zeros")
    require_finite(out, "a query that may attend nowhere")
    require(bool(out[0, 0].any()), "a query beside it gets zeros too")


def _require_argument(card: Card, name: str) -> None:
    if name not in arguments(card):
        raise NotApplicable(f"forward takes no {name}")


@rule("padding", *MAPS, *TOKENS)
def padding(card: Card) -> None:
    """What lies under a mask does not move the real outputs: they are those without padding."""
    _require_argument(card, "mask")
    subject = specimen(card)
    if subject.on_maps:
        return _map_padding(subject)
    return _token_padding(subject)


def _map_padding(subject: Specimen) -> None:
    module, inputs = subject.build(), subject.inputs()
    space = inputs[0].shape[2:]
    real = [n - 2 for n in space]
    mask = torch.zeros(2, *space, dtype=torch.bool)
    _corner(mask[:1], real).fill_(True)  # sample 1 is padding only
    alone = module(*(_corner(x[:1], real) for x in inputs))
    poisoned = tuple(torch.where(mask.unsqueeze(1), x, POISON) for x in inputs)
    out = module(*poisoned, mask=mask)
    require_finite(out, "a map of padding only")
    require_same(_corner(out[:1], real), alone, "padding moves the outputs at real positions")


def _corner(x: Tensor, space: list[int]) -> Tensor:
    """The first positions along the last axes, a view."""
    for axis, size in enumerate(space, x.dim() - len(space)):
        x = x.narrow(axis, 0, size)
    return x


def _token_padding(subject: Specimen) -> None:
    module, inputs = subject.build(), subject.inputs()
    *query, source = inputs
    keys = source.shape[1] - 2
    mask = torch.arange(keys + 2).expand(2, -1) < keys
    poisoned = torch.where(mask.unsqueeze(2), source, POISON)
    alone = module(*query, source[:, :keys])
    forms = {"[B, Nk]": mask}
    if subject.card.takes == "tokens":
        forms["[B, Nq, Nk]"] = mask.unsqueeze(1).expand(-1, inputs[0].shape[1], -1)
    for label, form in forms.items():
        try:
            out = module(*query, poisoned, mask=form)
        except RegardError:
            require(form is not mask, "a mask [B, Nk] is refused")
            continue  # kernels without a score for each pair cannot take it
        real = out if out.dim() == 2 else out[:, : alone.shape[1]]
        require_same(real, alone, f"with a mask {label}, padding moves the real outputs")


@rule("causal", "tokens")
def causal_order(card: Card) -> None:
    """With ``causal=True`` an output does not depend on later keys."""
    _require_argument(card, "causal")
    subject = specimen(card)
    if takes_two_sources(card):
        raise NotApplicable("queries and keys are two sequences")
    module, (x,) = subject.build(), subject.inputs()
    out = module(x, causal=True)
    for now in range(1, x.shape[1]):
        later = x.clone()
        later[:, now:] = POISON
        moved = module(later, causal=True)[:, :now]
        require_same(moved, out[:, :now], f"tokens from {now} on move the outputs before")


@rule("permutation", *TOKENS)
def permutation(card: Card) -> None:
    """Without positions: keys in another order change nothing, queries only their own order."""
    subject = specimen(card)
    module, inputs = subject.build(), subject.inputs()
    shuffled = tuple(x[:, _order(x)] for x in inputs)
    out = module(*inputs)
    wanted = out if out.dim() == 2 else out[:, _order(inputs[0])]
    require_same(module(*shuffled), wanted, "another order of the tokens changes the outputs")


def _order(x: Tensor) -> Tensor:
    numbers = torch.Generator().manual_seed(6)
    return torch.randperm(x.shape[1], generator=numbers)
