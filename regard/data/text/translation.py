"""Parallel text: two files, columns of one, or a saved Hugging Face data set."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from ...errors import RegardError, nearest
from ..findings import OnBad
from ..tree import shown, shown_some
from .dates import dates
from .lines import read_lines
from .pairs import Pairs, Translation
from .parting import complete, hold_out
from .ragged import Strings
from .saved import read_saved, text_columns
from .skips import Skips, place
from .sources import Files, find_parts, require_some, source_name
from .tables import Column, Row, as_text, read_table
from .toy import toy
from .wishes import TEST_SHARE, Wish, Wishes

Pair = tuple[str, str]


def load_translation(
    source: str | Path,
    target: str | Path | None = None,
    *,
    columns: tuple[Column, Column] | None = None,
    reverse: bool = False,
    test: Wish = TEST_SHARE,
    validation: Wish = 0.0,
    seed: int = 0,
    longest: int = 1000,
    on_bad: OnBad = "error",
) -> Translation:
    """Load pairs of sentences.

    Args:
        source: the words ``toy`` or ``dates`` (embedded, see :func:`toy` and :func:`dates`); a
            file with a pair a line (tabs between columns; CSV and JSON Lines too); a file of
            sentences, with ``target`` the file of their translations line by line; a folder with
            such files, ``train.tsv`` or ``train.en`` and ``train.zh``, and so on for test and
            validation; a Hugging Face data set saved to disk.
        target: the second of two files.
        columns: numbers from 1, or names, of source and target. None: 1 and 2; names of a data
            set's two columns of text.
        reverse: exchange the sides. The parts stay the same pairs.
        test: a share of the pairs, where there is no test part; or a file.
        validation: likewise; 0 for none.
        seed: decides which pairs are taken. No sentence of either side, compared without case,
            spaces and punctuation, is in two parts that are made here.
        longest: pairs with more characters on a side are left out and counted.
        on_bad: a damaged line is an ``error``, or is left out and counted with ``skip``.

    Returns:
        The pairs; ``notes`` say what was left out and what was divided.

    Raises:
        RegardError: a file is missing, damaged or empty, or two files differ in their lines.
    """
    wishes = Wishes(test, validation, seed, longest, on_bad)
    if target is None and source in ("toy", "dates"):
        made = toy() if source == "toy" else dates()
        return _turned(hold_out(made, wishes), reverse)
    path = Path(os.path.expanduser(source))
    if target is None and not path.exists():
        raise RegardError(
            f"no file or folder {shown(path)}{nearest(str(source), ['toy', 'dates'])}"
        )
    files = find_parts(path, (), wishes)
    if target is not None:
        files["train"] = (path, Path(os.path.expanduser(target)))
    skips = Skips(on_bad)
    found = {
        role: list(_kept(_read(some, columns, skips), some[0], longest, skips))
        for role, some in files.items()
    }
    require_some(found, files, "pair of sentences")
    parts = {
        role: Pairs(Strings.of(a for a, _ in rows), Strings.of(b for _, b in rows))
        for role, rows in found.items()
    }
    parts, notes = complete(parts, wishes)
    notes = [*_sides(files["train"]), *skips.notes(), *notes]
    return _turned(Translation.of(parts, source_name(path), (), notes), reverse)


def _turned(made: Translation, reverse: bool) -> Translation:
    if not reverse:
        return made
    parts = {role: Pairs(part.target, part.source) for role, part in made.splits().items()}
    notes = (*made.notes, "source and target are exchanged")
    return Translation.of(parts, made.name, (), notes)


def _sides(files: Files) -> list[str]:
    names = [path.name for path in files]
    return [f"source {names[0]}, target {names[1]}"] if len(names) == 2 else []


def _read(files: Files, columns: tuple[Column, Column] | None, skips: Skips) -> Iterator[Row]:
    if len(files) == 2:
        return _read_two(files, skips)
    if len(files) > 2:
        raise RegardError(
            f"expected one file or two for a part; found {shown_some([p.name for p in files], 4)}"
        )
    path = files[0]
    if path.is_dir():
        return _read_saved(path, columns or text_columns(path))
    return read_table(path, columns or (1, 2), skips)


def _read_two(files: Files, skips: Skips) -> Iterator[Row]:
    first, second = (read_lines(path, skips) for path in files)
    for one, other in zip_longest(first, second):
        if one is None or other is None:
            rest = sum(1 for _ in (first if other is None else second))
            number = (one or other)[0]
            counts = (number + rest, number - 1) if other is None else (number - 1, number + rest)
            raise RegardError(
                f"{shown(files[0])} has {counts[0]:,} lines and {shown(files[1])} {counts[1]:,}; "
                "line n of one is to be the translation of line n of the other"
            )
        texts = one[1], other[1]
        yield one[0], None if texts[0] is None or texts[1] is None else (texts[0], texts[1])


def _read_saved(folder: Path, columns: Sequence[Column]) -> Iterator[Row]:
    names = [str(column) for column in columns]
    if len(names) != 2:
        raise RegardError(
            f"{shown(folder)} has the columns of text {shown_some(names, 8) or 'none'}; "
            "name two as columns=(source, target)"
        )
    for number, values in read_saved(folder, names):
        try:
            yield number, tuple(as_text(v, n) for v, n in zip(values, names, strict=True))
        except ValueError as error:
            raise RegardError(f"{shown(folder)}, row {number:,}: {error}") from error


def _kept(rows: Iterator[Row], path: Path, longest: int, skips: Skips) -> Iterator[Pair]:
    for number, values in rows:
        if values is None:
            continue
        source, target = (value.strip() for value in values)
        if not source and not target:
            skips.skip("empty lines", place(path, number))
        elif not source or not target:
            skips.skip("pairs with one side empty", place(path, number))
        elif max(len(source), len(target)) > longest:
            skips.skip(f"pairs of more than {longest:,} characters", place(path, number))
        else:
            yield source, target
