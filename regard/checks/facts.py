"""Rules on the card: does it say what the module is, and the module what went wrong."""

from __future__ import annotations

import inspect
import re
from typing import Any

import torch

from .. import catalogue
from ..cards import Card
from ..catalogue import options_of
from ..errors import RegardError
from .arithmetic import evaluate
from .bibtex import parse
from .rule import ALL, RULES, Broken, require, rule
from .specimen import Specimen, specimen, specimens

PAPER = re.compile(r"arXiv:\d{4}\.\d{4,5}|doi:10\.\d{4,}/\S+|https://\S+")


@rule("formula", *ALL)
def formula(card: Card) -> None:
    """The formula for the number of parameters on the card gives that of the module."""
    for subject in specimens(card, (3, 16, 64, 256)):
        module = subject.build(moved=False)
        named = {**options_of(card), **card.options, "dims": subject.dims, "C": subject.size}
        numbers = {n: v for n, v in named.items() if isinstance(v, int | float)}
        said = evaluate(card.parameters, numbers)
        count = sum(p.numel() for p in module.parameters())
        at = f"C={subject.size}"
        require(said == count, f"{card.parameters} gives {said:g} at {at}; the module has {count}")


@rule("options", *ALL)
def options(card: Card) -> None:
    """An unknown option, a wrong value and a wrong number of channels are clear errors."""
    kinds = {p.kind for p in inspect.signature(card.module).parameters.values()}
    require(inspect.Parameter.VAR_KEYWORD not in kinds, "**options swallow a misspelt option")
    subject = specimen(card)
    for size in (0, -1, 2.5, True, "64"):
        _require_refusal(f"a size of {size!r}", card.module, size, **card.options)
    for name in ("variant", "start"):
        if name in options_of(card):
            given = {**card.options, name: "no such thing"}
            _require_refusal(f"{name}='no such thing'", card.module, subject.size, **given)
    module = subject.build()
    for size in (subject.size + 1, 1):
        wrong = Specimen(card, size, subject.dims)
        what = f"{size} channels where {subject.size} are due"
        _require_clear(module, wrong.inputs(), wrong, what)
    if card.takes == "maps":
        first, second = subject.inputs()[0], subject.inputs(extent=[4] * subject.dims)[1]
        _require_clear(module, (first, second), subject, "a second map of another resolution")


def _require_refusal(what: str, make: Any, *size: Any, **given: Any) -> None:
    try:
        make(*size, **given)
    except RegardError:
        return
    except Exception as error:
        raise Broken(f"{what} raises {type(error).__name__}, not RegardError: {error}") from error
    raise Broken(f"{what} is taken")


def _require_clear(
    module: Any, inputs: tuple[torch.Tensor, ...], subject: Specimen, what: str
) -> None:
    """A RegardError, or an output of the right shape from a mechanism that takes any number."""
    try:
        out = module(*inputs)
    except RegardError:
        return
    except Exception as error:
        raise Broken(f"{what}: {type(error).__name__}, not RegardError: {error}") from error
    right = list(out.shape) == subject.shape_due(*inputs)
    require(right, f"{what}: they are taken and give {list(out.shape)}")


@rule("card", *ALL)
def card_facts(card: Card) -> None:
    """The card is complete: names, paper, citation, options and waivers that exist."""
    _require_names(card)
    _require_source(card)
    known = options_of(card)
    for option in card.options:
        require(option in known, f"options: the constructor takes no {option!r}")
    for rule_name in card.waives:
        require(rule_name in RULES, f"waives: there is no rule {rule_name!r}")
    if "variant" in known:
        default = known["variant"]
        right = card.variants[0] == default
        require(
            right, f"variants: {card.variants[0]!r} comes first, but the default is {default!r}"
        )
    names = [n for n, _ in specimen(card).build(moved=False).named_parameters()]
    for part in card.slow:
        require(any(part in n for n in names), f"slow: no parameter's name has {part!r} in it")
    require(bool(card.module.__doc__), "the class has no docstring")


def _require_names(card: Card) -> None:
    for name in (card.name, *card.aliases):
        usual = re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)
        require(usual is not None, f"the name {name!r} is not lower case with underscores")
    for field in ("title", "family", "authors", "parameters", "complexity", "variants", "dims"):
        require(bool(getattr(card, field)), f"{field} is empty")
    require(set(card.dims) <= {1, 2, 3}, f"dims are {card.dims}; 1, 2 and 3 are possible")
    if card.name in catalogue.names() and catalogue.card(card.name).module is card.module:
        taken = {n for other in _others(card) for n in (other.name, *other.aliases)}
        twice = sorted(taken & {card.name, *card.aliases})
        require(not twice, f"{', '.join(twice)}: another mechanism has this name too")


def _others(card: Card) -> list[Card]:
    return [catalogue.card(name) for name in catalogue.names() if name != card.name]


def _require_source(card: Card) -> None:
    require(
        PAPER.fullmatch(card.paper) is not None, f"paper {card.paper!r} is no arXiv:, doi:, URL"
    )
    fields = parse(card.bibtex)
    for field in ("title", "author", "year"):
        require(bool(fields.get(field)), f"bibtex has no {field}")
    require(fields["year"] == str(card.year), f"year {card.year}, but bibtex has {fields['year']}")
    last = card.authors.split(",")[0].split()[-1]
    require(last in fields["author"], f"the first author, {last}, is not in bibtex")
