"""The contract: every mechanism keeps every rule."""

import pytest

from regard.catalogue import names
from regard.checks import RULES, check

PAIRS = [pytest.param(n, r, id=f"{n}-{r}") for n in names() for r in RULES]


@pytest.mark.parametrize(("name", "rule"), PAIRS)
def test_mechanism_keeps_rule(name, rule):
    (outcome,) = check(name, [rule]).outcomes
    if outcome.status == "not applicable":
        pytest.skip(outcome.why)
    assert outcome.status != "failed", outcome.why


def test_every_rule_says_in_words_what_it_asks():
    assert all(judge.__doc__ and judge.__doc__.strip() for judge in RULES.values())
