"""What a user may say about data: which task it is, and how its text is read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ..data.text.lines import read_lines
from ..data.text.saved import is_saved
from ..data.text.skips import Skips
from ..data.text.tables import suffix_of
from ..data.tree import list_folder, shown
from ..errors import RegardError, nearest
from . import classification, tagging, translation

KINDS = ("images", "translation", "tagging", "classification")
EMBEDDED: Mapping[str, tuple[str, str]] = {
    "digits": ("images", "digits"),
    "translation": ("translation", "toy"),
    "toy": ("translation", "toy"),
    "dates": ("translation", "dates"),
    "tagging": ("tagging", "cues"),
    "cues": ("tagging", "cues"),
    "classification": ("classification", "reviews"),
    "reviews": ("classification", "reviews"),
}
"""What may stand in the place of a path → its task and its name."""
MEASURES: Mapping[str, tuple[str, ...]] = {
    "images": ("accuracy",),
    "translation": translation.MEASURES,
    "tagging": tagging.MEASURES,
    "classification": classification.MEASURES,
}
_TABLES = (".csv", ".jsonl", ".ndjson")
_TREEBANKS = (".conllu", ".conll")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """How data is read; what is None is told by the data, or is the reader's own default.

    Args:
        task: one of ``KINDS``.
        target: for translation the file with the translations of the other, line by line.
        columns: names of columns, or numbers from 1: source and target; text and label; the tags,
            or words and tags.
        reverse: of translation, source and target are exchanged.
        test: the file to test on, where that is not told by the names in a folder.
        unit: ``characters``, ``words`` or ``subwords``; for translation two, where they differ:
            ``words,characters``.
        tokens: of a vocabulary at most.
        longest: what is longer is left out; characters of a text, words of a sentence.
        measure: what is compared, see ``MEASURES``; by default the accuracy, for translation BLEU,
            and exact match for the embedded data.

    Raises:
        RegardError: for a task that there is not.
    """

    task: str | None = None
    target: str | None = None
    columns: tuple[str, ...] = ()
    reverse: bool = False
    test: str | None = None
    unit: str | None = None
    tokens: int | None = None
    longest: int | None = None
    measure: str | None = None

    def __post_init__(self) -> None:
        if self.task is not None and self.task not in KINDS:
            raise RegardError(f"no task is called {self.task!r}{nearest(self.task, KINDS)}")


def kind_of(data: str, reading: Reading) -> str:
    """Which task some data is for: as was said, or as its form tells.

    Raises:
        RegardError: if the form fits several tasks; it says how to choose.
    """
    if data in EMBEDDED and reading.target is None:
        kind = EMBEDDED[data][0]
        if reading.task not in (None, kind):
            raise RegardError(f"{data} is for {kind}, not for {reading.task}; leave --task out")
        return kind
    if reading.task is not None:
        return reading.task
    if reading.target is not None:
        return "translation"
    path = Path(os.path.expanduser(data))
    return _of_folder(path) if path.is_dir() else _of_file(path, reading.columns)


def measure_of(data: str, reading: Reading) -> str:
    """What is compared.

    Raises:
        RegardError: for a measure that the task does not have.
    """
    kind = kind_of(data, reading)
    if reading.measure is None:
        is_own = data not in EMBEDDED
        return "bleu" if kind == "translation" and is_own else MEASURES[kind][0]
    if reading.measure not in MEASURES[kind]:
        raise RegardError(
            f"{kind} has no measure {reading.measure!r}; it has {', '.join(MEASURES[kind])}"
        )
    return reading.measure


def _of_file(path: Path, columns: Sequence[str]) -> str:
    suffix = suffix_of(path)
    if suffix in _TREEBANKS:
        return "tagging"
    if suffix in _TABLES or (suffix == ".tsv" and _has_header(path, columns)):
        return "classification"
    if suffix in ("", ".txt", ".tsv") and path.is_file() and _has_tabs(path):
        return "translation"
    if not path.is_file() or suffix in (".png", ".jpg", ".jpeg", ".gz"):
        return "images"  # whose reader says what works
    raise RegardError(
        f"{shown(path)}: its form does not tell the task; say --task "
        f"{', '.join(KINDS[1:-1])} or {KINDS[-1]}, or --target FILE for a file of translations"
    )


def _of_folder(path: Path) -> str:
    if is_saved(path):
        raise RegardError(
            f"{shown(path)} is a saved data set, which may be for any task; say --task "
            f"{', '.join(KINDS[1:-1])} or {KINDS[-1]}, and --columns"
        )
    listing = list_folder(path)
    suffixes = {suffix_of(file) for file in listing.files}
    if suffixes & set(_TREEBANKS):
        return "tagging"
    if suffixes & set(_TABLES):
        return "classification"
    parts = [f for f in listing.files if f.name.lower().startswith(("train", "test", "dev"))]
    is_text = parts and not any("idx" in file.name for file in parts)
    return "translation" if is_text and not listing.folders else "images"


def _first_lines(path: Path) -> list[str]:
    return [line or "" for _, line in islice(read_lines(path, Skips("skip")), 5)]


def _has_tabs(path: Path) -> bool:
    return any("\t" in line for line in _first_lines(path))


def _has_header(path: Path, columns: Sequence[str]) -> bool:
    """Whether the first line of a TSV names the columns of a classification."""
    if not path.is_file():
        return False
    first = [name.strip() for name in next(iter(_first_lines(path)), "").split("\t")]
    return set(columns or ("text", "label")) <= set(first)
