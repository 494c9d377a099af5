"""Tagging: one label for every word, from CoNLL-U or a saved Hugging Face data set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import RegardError, nearest
from ..findings import OnBad
from ..tree import shown
from .classes import name_classes
from .conllu import read_conllu
from .cues import cues
from .parting import complete, hold_out
from .saved import read_saved
from .skips import Skips, place
from .sources import find_parts, one_file, require_some, source_name
from .tables import as_text
from .tagged import Tagged, Tagging
from .wishes import TEST_SHARE, Wish, Wishes

Found = tuple[int, list[str], list[str]]


def load_tagging(
    source: str | Path,
    *,
    tags: str = "upos",
    words: str = "tokens",
    test: Wish = TEST_SHARE,
    validation: Wish = 0.0,
    seed: int = 0,
    longest: int = 1000,
    on_bad: OnBad = "error",
) -> Tagging:
    """Load sentences with a label for every word.

    Args:
        source: the word ``cues`` (embedded, see :func:`cues`); a CoNLL-U file, plain or gzipped;
            a folder with such files, of which names say ``train``, ``test`` and ``dev``; a Hugging
            Face data set saved to disk.
        tags: the column of the labels: ``upos``, ``xpos``, ``deprel``, … or of the data set.
        words: the column of the words of a data set.
        test: a share of the sentences, where there is no test part; or a file.
        validation: likewise; 0 for none. A folder's own ``dev`` is always taken.
        seed: decides which sentences are taken; equal ones stay together.
        longest: sentences with more words are left out and counted.
        on_bad: a damaged row is an ``error``, or its sentence is left out with ``skip``.

    Returns:
        The sentences; ``notes`` say what was left out, which tags train lacks, and how many
        sentences of other parts are in train too.

    Raises:
        RegardError: a file is missing, damaged or empty, or has fewer than two tags.
    """
    wishes = Wishes(test, validation, seed, longest, on_bad)
    path = Path(os.path.expanduser(source))
    if source == "cues":
        return hold_out(cues(), wishes)
    if not path.exists():
        raise RegardError(f"no file or folder {shown(path)}{nearest(str(source), ['cues'])}")
    files = find_parts(path, (".conllu", ".conll"), wishes)
    skips = Skips(on_bad)
    found = {}
    for role, some in files.items():
        file = one_file(some, role)
        rows = _read_saved(file, (words, tags)) if file.is_dir() else _read(file, tags, skips)
        found[role] = list(_kept(rows, file, longest, skips))
    require_some(found, files, "sentence with tags")
    named = {role: [tag for _, some in rows for tag in some] for role, rows in found.items()}
    classes, told = name_classes(named, "words")
    parts = {role: Tagged.of(rows, classes) for role, rows in found.items()}
    parts, notes = complete(parts, wishes)
    notes = [*skips.notes(), *told, *notes]
    return Tagging.of(parts, source_name(path), classes, notes)


def _read(path: Path, column: str, skips: Skips) -> Iterator[Found]:
    for sentence in read_conllu(path, column, skips):
        yield sentence.line, sentence.words, sentence.tags


def _read_saved(folder: Path, columns: tuple[str, str]) -> Iterator[Found]:
    for number, (words, tags) in read_saved(folder, columns):
        where = f"{shown(folder)}, row {number:,}"
        if not isinstance(words, list) or not isinstance(tags, list) or len(words) != len(tags):
            raise RegardError(
                f"{where}: expected a list of words and as many tags; found "
                f"{_size(words)} and {_size(tags)}"
            )
        try:
            yield (
                number,
                [as_text(w, columns[0]) for w in words],
                [as_text(t, columns[1]) for t in tags],
            )
        except ValueError as error:
            raise RegardError(f"{where}: {error}") from error


def _size(value: Any) -> str:
    return f"{len(value)} items" if isinstance(value, list) else f"a {type(value).__name__}"


def _kept(
    rows: Iterator[Found], path: Path, longest: int, skips: Skips
) -> Iterator[tuple[list[str], list[str]]]:
    for number, words, tags in rows:
        if not words:
            skips.skip("sentences without words", place(path, number))
        elif not all(tags) or "_" in tags:
            skips.skip("sentences with a word without a tag", place(path, number))
        elif len(words) > longest:
            skips.skip(f"sentences of more than {longest:,} words", place(path, number))
        else:
            yield words, tags
