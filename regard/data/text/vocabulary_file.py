"""Vocabularies by name of their unit, and from the file that was written of one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...errors import RegardError, cause
from ..tree import shown
from .subwords import Subwords
from .vocabulary import Unit, Vocabulary, require_unit


def build_vocabulary(
    texts: Iterable[str], unit: Unit = "words", *, most: int | None = None, least: int = 1
) -> Vocabulary:
    """The vocabulary of texts by characters, words or subwords.

    Args:
        texts: of train, never of test.
        unit: ``characters`` and ``subwords`` need no segmenter for Chinese; ``words`` takes each
            Chinese character as one.
        most: tokens at most, the special ones apart; 8,000 for subwords by default.
        least: times that a token must occur; for subwords, two neighbours to be merged.

    Raises:
        RegardError: as ``Vocabulary.build`` and ``Subwords.train``.
    """
    require_unit(unit)
    if unit == "subwords":
        return Subwords.train(texts, 8000 if most is None else most + 4, least=least)
    return Vocabulary.build(texts, unit, most=most, least=least)


def load_vocabulary(path: str | Path) -> Vocabulary:
    """Read what ``save`` wrote.

    Raises:
        RegardError: the file is missing, damaged, or another program's.
    """
    try:
        return of_facts(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        raise RegardError(f"{shown(path)} holds no vocabulary: {cause(error)}") from error


def of_facts(facts: Any) -> Vocabulary:
    """The vocabulary of which ``facts()`` were kept; RegardError for anything else."""
    if not isinstance(facts, dict) or facts.get("format") != "regard vocabulary 1":
        raise RegardError("expected the format 'regard vocabulary 1'")
    if facts.get("unit") == "subwords":
        return Subwords(json.dumps(facts.get("model")))
    tokens = facts.get("tokens")
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise RegardError("its tokens are no list of text")
    return Vocabulary(tokens, facts.get("unit"))  # type: ignore[arg-type]  # it checks the unit
