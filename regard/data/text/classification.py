"""Text classification: one label for a text, from CSV, TSV, JSON Lines, CoNLL-U or saved data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ...errors import RegardError, nearest
from ..findings import OnBad
from ..tree import shown, shown_some
from .classes import name_classes
from .conllu import Sentence, read_conllu
from .labelled import Classification, Labelled
from .parting import complete, hold_out, joined
from .reviews import reviews
from .saved import read_saved
from .skips import Skips, place
from .sources import find_parts, one_file, require_some, source_name
from .tables import Row, as_text, read_table, suffix_of
from .wishes import TEST_SHARE, Wish, Wishes

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".conllu")


def load_classification(
    source: str | Path,
    *,
    text: str = "text",
    label: str | None = None,
    test: Wish = TEST_SHARE,
    validation: Wish = 0.0,
    seed: int = 0,
    longest: int = 100_000,
    on_bad: OnBad = "error",
) -> Classification:
    """Load texts with a label each.

    Args:
        source: the word ``reviews`` (embedded, see :func:`reviews`); a CSV, TSV or JSON Lines
            file with column names, plain or gzipped; a CoNLL-U file, for the label of its
            sentences; a folder with such files, of which names say ``train``, ``test`` and
            ``dev``; a Hugging Face data set saved to disk.
        text: the column of the texts. CoNLL-U has its own.
        label: the column of the labels, ``label`` by default. For CoNLL-U the key of a comment:
            by default ``sent_id``, of which what stands before the first dash is the label.
        test: a share of the texts of each label, where there is no test part; or a file.
        validation: likewise; 0 for none. A folder's own ``dev`` is always taken.
        seed: decides which texts are taken; equal ones stay together.
        longest: texts with more characters are left out and counted.
        on_bad: a damaged row is an ``error``, or is left out and counted with ``skip``.

    Returns:
        The texts; ``notes`` say what was left out, which labels train lacks, and how many texts
        of other parts are in train too.

    Raises:
        RegardError: a file is missing, damaged or empty, has no such column, or one label only.
    """
    wishes = Wishes(test, validation, seed, longest, on_bad)
    path = Path(os.path.expanduser(source))
    if source == "reviews":
        return _embedded(wishes)
    if not path.exists():
        raise RegardError(f"no file or folder {shown(path)}{nearest(str(source), ['reviews'])}")
    files = find_parts(path, SUFFIXES, wishes)
    skips = Skips(on_bad)
    found = {}
    for role, some in files.items():
        file = one_file(some, role)
        found[role] = list(_kept(_read(file, text, label, skips), file, longest, skips))
    require_some(found, files, "text with a label")
    named = {role: [name for _, name in rows] for role, rows in found.items()}
    classes, told = name_classes(named, "texts")
    parts = {role: Labelled.of(rows, classes) for role, rows in found.items()}
    parts, notes = complete(parts, wishes, by_label=True)
    notes = [*skips.notes(), *told, *notes]
    return Classification.of(parts, source_name(path), classes, notes)


def _embedded(wishes: Wishes) -> Classification:
    """Twins stay on one side, or a text in train would tell the label of its twin."""
    made = reviews()
    bags = joined((" ".join(sorted(text.split())),) for text in made.train.text)
    return hold_out(made, wishes, bags)


def _read(path: Path, text: str, label: str | None, skips: Skips) -> Iterator[Row]:
    if path.is_dir():
        return _read_saved(path, (text, label or "label"))
    if suffix_of(path) == ".conllu":
        return _read_conllu(path, label or "sent_id", skips)
    return read_table(path, (text, label or "label"), skips)


def _read_saved(folder: Path, columns: tuple[str, str]) -> Iterator[Row]:
    for number, values in read_saved(folder, columns):
        try:
            yield number, tuple(as_text(v, c) for v, c in zip(values, columns, strict=True))
        except ValueError as error:
            raise RegardError(f"{shown(folder)}, row {number:,}: {error}") from error


def _read_conllu(path: Path, key: str, skips: Skips) -> Iterator[Row]:
    for sentence in read_conllu(path, "upos", skips):
        yield sentence.line, (" ".join(sentence.words), _label(sentence, key, path))


def _label(sentence: Sentence, key: str, path: Path) -> str:
    if key not in sentence.comments:
        raise RegardError(
            f"{place(path, sentence.line)}: a sentence without the comment '# {shown(key)} = …'; "
            f"it has {shown_some(sorted(sentence.comments)) or 'none'}"
        )
    value = sentence.comments[key]
    return value.partition("-")[0] if key == "sent_id" else value


def _kept(rows: Iterator[Row], path: Path, longest: int, skips: Skips) -> Iterator[tuple[str, str]]:
    for number, values in rows:
        if values is None:
            continue
        text, label = (value.strip() for value in values)
        if not text:
            skips.skip("rows without text", place(path, number))
        elif not label:
            skips.skip("rows without a label", place(path, number))
        elif len(text) > longest:
            skips.skip(f"texts of more than {longest:,} characters", place(path, number))
        else:
            yield text, label
