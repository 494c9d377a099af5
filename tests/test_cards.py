import ast
import json
from pathlib import Path

import pytest

from regard import cards
from regard.cards import Card

FACTS = {
    "name": "gate",
    "title": "Gate",
    "module": dict,
    "takes": "map",
    "family": ("channel",),
    "start": "gate",
    "paper": "arXiv:2401.00001",
    "year": 2024,
    "authors": "Ada Able",
    "bibtex": "@misc{able, title={Gate}, author={Able, Ada}, year={2024}}",
    "parameters": "C",
    "complexity": "O(C)",
}


def test_facts_are_json_without_the_class():
    card = Card(**FACTS, options={"heads": 8}, waives={"plug": "why"}, dims=(1, 2))
    facts = card.facts()
    assert json.loads(json.dumps(facts)) == facts
    assert "module" not in facts
    assert facts["options"] == {"heads": 8}
    assert facts["dims"] == [1, 2]
    assert set(facts) == set(Card.__dataclass_fields__) - {"module"}


def test_a_card_cannot_be_changed():
    with pytest.raises(AttributeError):
        Card(**FACTS).year = 2025


def test_the_default_mappings_cannot_be_changed():
    card = Card(**FACTS)
    for mapping in (card.slow, card.options, card.waives):
        with pytest.raises(TypeError):
            mapping["a"] = 1


@pytest.mark.parametrize("field", ["takes", "start", "place", "position"])
def test_a_word_outside_the_closed_set_is_an_error_that_lists_it(field):
    with pytest.raises(ValueError, match=rf"card 'gate': {field} is 'some'; known: ") as caught:
        Card(**{**FACTS, field: "some"})
    known = {"takes": "'map'", "start": "'gate'", "place": "'branch'", "position": "'rotate'"}
    assert known[field] in str(caught.value)


@pytest.mark.parametrize(
    "facts", [{"takes": "position"}, {"position": "add"}, {"takes": "maps", "position": "bias"}]
)
def test_a_position_code_says_which_one_it_is_and_nothing_else_does(facts):
    with pytest.raises(ValueError, match=r"one of \('add', 'rotate', 'bias'\), and nothing else"):
        Card(**{**FACTS, **facts})


@pytest.mark.parametrize("field", FACTS)
def test_every_fact_is_needed(field):
    with pytest.raises(TypeError, match=field):
        Card(**{n: v for n, v in FACTS.items() if n != field})


def test_an_unknown_fact_is_an_error():
    with pytest.raises(TypeError, match="licence"):
        Card(**FACTS, licence="MIT")


def test_the_module_imports_nothing_of_ours():
    tree = ast.parse(Path(cards.__file__).read_text(encoding="utf-8"))
    imported = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    assert all(n.level == 0 and not (n.module or "").startswith("regard") for n in imported)
