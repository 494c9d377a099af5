"""CoNLL-U: one word a line in ten columns, an empty line after each sentence.

Format: https://universaldependencies.org/format.html. Multiword ranges (``3-4``) and empty nodes
(``3.1``) are no words of the sentence and are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import RegardError, nearest
from .lines import read_lines
from .skips import Skips, place

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")


@dataclass(slots=True)
class Sentence:
    """One sentence.

    Args:
        line: of the file, where it begins.
        words: column FORM.
        tags: the column that was asked for.
        comments: key → value of lines such as ``# sent_id = weblog-1``.
    """

    line: int
    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    comments: dict[str, str] = field(default_factory=dict)


def read_conllu(path: Path, column: str, skips: Skips) -> Iterator[Sentence]:
    """The sentences of a file, plain or gzipped.

    Args:
        path: the file.
        column: whose values are the tags: ``upos``, ``xpos``, ``deprel``, …
        skips: told of sentences with a damaged row.

    Raises:
        RegardError: no such column; a row without ten columns, with an id out of order or
            without a word, unless such sentences are to be left out.
    """
    if column not in COLUMNS[2:]:
        raise RegardError(f"no column {column!r} of tags{nearest(column, COLUMNS[2:])}")
    sentence, sound = None, True
    for number, line in read_lines(path, skips):
        if line is not None and not line.strip():
            if sentence is not None and sound and sentence.words:
                yield sentence
            sentence, sound = None, True
            continue
        sentence = sentence or Sentence(number)
        sound = sound and _take(sentence, line, (path, number, COLUMNS.index(column)), skips)
    if sentence is not None and sound and sentence.words:
        yield sentence


def _take(sentence: Sentence, line: str | None, where: tuple[Path, int, int], skips: Skips) -> bool:
    """Add a line to the sentence; whether the sentence is still sound."""
    if line is None:
        return False
    if line.startswith("#"):
        key, equals, value = line[1:].partition("=")
        if equals:
            sentence.comments[key.strip()] = value.strip()
        return True
    path, number, column = where
    row = line.split("\t")
    wrong = _wrong(row, len(sentence.words) + 1)
    if wrong:
        skips.bad("sentences with a damaged row", place(path, number), wrong)
        return False
    if row[0].isdecimal():
        sentence.words.append(row[1])
        sentence.tags.append(row[column])
    return True


def _wrong(row: list[str], expected: int) -> str:
    if len(row) != len(COLUMNS):
        return f"{len(row)} columns between tabs; expected the 10 of CoNLL-U"
    ident = row[0]
    if not ident.isdecimal():
        low, sign, high = ident.replace(".", "-", 1).partition("-")
        sound = sign and low.isdecimal() and high.isdecimal()
        return "" if sound else f"id {ident[:20]!r}; expected a number, a range or an empty node"
    if int(ident) != expected:
        return f"id {ident[:20]}; expected {expected}, the next word of the sentence"
    return "" if row[1].strip() else "a word without a form"
