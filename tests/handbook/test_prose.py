"""Docstrings become Markdown without losing or inventing anything."""

import sys
from types import ModuleType

import pytest
from torch import nn

import regard
from regard.handbook.prose import (
    explanation_of,
    idea_of,
    markdown,
    options_of_class,
)

DOC = r"""A gate: from the mean.

.. math::
   y &= x \cdot g \\
   g &= \sigma(w)

   z = y

Shapes: ``[B, C, *space]`` → the same. See :mod:`regard.ops`.
For \|t\| < 2 *nothing* happens.

.. math:: a_{ij} = 1,
          b = 2
"""


class Mine(nn.Module):
    """A module.

    Args:
        channels: C of the map,
            at least one.
        a, b: two ``int``.

    Raises:
        RegardError: never.
    """


@pytest.fixture
def mine(card_of, monkeypatch):
    home = ModuleType("mine_of_prose", DOC)
    monkeypatch.setitem(sys.modules, "mine_of_prose", home)
    monkeypatch.setattr(Mine, "__module__", "mine_of_prose")
    return card_of(Mine)


def test_the_first_sentence_is_the_idea(mine):
    assert idea_of(mine) == "A gate: from the mean."


def test_formulas_are_blocks_of_tex_and_aligned_where_they_have_columns(mine):
    assert explanation_of(mine).split("\n\n") == [
        "```math\n\\begin{aligned}\ny &= x \\cdot g \\\\\ng &= \\sigma(w)\n\\end{aligned}\n```",
        "```math\nz = y\n```",
        "Shapes: `[B, C, *space]` → the same. See `regard.ops`.\n"
        "For \\|t\\| \\< 2 \\*nothing\\* happens.",
        "```math\na_{ij} = 1,\nb = 2\n```",
    ]


def test_options_are_those_of_the_class(mine):
    assert options_of_class(mine) == [
        ("channels", "C of the map, at least one."),
        ("a, b", "two `int`."),
    ]


def test_code_stays_letter_for_letter():
    assert markdown("``2*C**2 < \\n`` and 2*C") == "`2*C**2 < \\n` and 2\\*C"
    assert markdown("a ``broken\ncode`` here") == "a `broken\ncode` here"


@pytest.mark.parametrize("name", regard.names())
def test_every_file_has_an_idea_and_a_formula(name):
    card = regard.card(name)
    text = explanation_of(card)
    assert len(idea_of(card)) > 10
    assert "```math" in text
    assert "``" not in text.replace("```", "")
    assert ":math:" not in text
    assert options_of_class(card) or "Args" not in (card.module.__doc__ or "")
