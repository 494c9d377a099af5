"""check: run the contract on one mechanism."""

from __future__ import annotations

from collections.abc import Iterable

# Rules register where they are defined, and are asked in this order.
from . import (  # noqa: F401  # isort: skip
    values,
    gradients,
    precision,
    state,
    starts,
    graphs,
    masks,
    places,
    hosts,
    facts,
)
from .. import catalogue
from ..cards import Card
from ..errors import RegardError, nearest
from .report import Outcome, Report
from .rule import RULES, Broken, NotApplicable


def check(card: Card | str, rules: Iterable[str] | None = None) -> Report:
    """Judge a mechanism by the contract.

    A rule that the card waives is run as well: if it passes or does not apply, the waiver is
    wrong, and that is a failure.

    Args:
        card: the card, or a name as :func:`regard.card` takes it, also ``file.py:name``.
        rules: names of rules; all by default.

    Returns:
        What came of each rule.

    Raises:
        RegardError: for an unknown mechanism or rule.
    """
    found = catalogue.card(card) if isinstance(card, str) else card
    asked = list(RULES if rules is None else rules)
    for name in asked:
        if name not in RULES:
            raise RegardError(f"no rule is called {name!r}{nearest(name, RULES)}")
    return Report(found.name, tuple(_outcome(found, name) for name in asked))


def _outcome(card: Card, name: str) -> Outcome:
    plain = _plain_outcome(card, name)
    if name not in card.waives:
        return plain
    if plain.status == "failed":
        return Outcome(name, "waived", card.waives[name])
    told = "passes" if plain.status == "passed" else f"does not apply: {plain.why}"
    return Outcome(name, "failed", f"the card waives it ({card.waives[name]}), but it {told}")


def _plain_outcome(card: Card, name: str) -> Outcome:
    """The outcome without waivers. Whatever a mechanism raises is its failure."""
    try:
        RULES[name](card)
    except NotApplicable as reason:
        return Outcome(name, "not applicable", str(reason))
    except Broken as failure:
        return Outcome(name, "failed", str(failure))
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        return Outcome(name, "failed", f"{type(error).__name__}: {lines[0]}")
    return Outcome(name, "passed")
