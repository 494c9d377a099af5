"""A task kept in a folder, for the processes that train on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..data import Images
from ..data.text import Classification, Tagging, Translation, load_vocabulary
from ..errors import RegardError, unwritable
from .codec import Codec
from .images import ImageTask
from .labeller import ClassificationCodec, TaggingCodec
from .opening import text_task
from .task import Task
from .text import TextTask
from .translator import TranslationCodec

CORPORA: Mapping[str, tuple[type[Any], type[Codec]]] = {
    "translation": (Translation, TranslationCodec),
    "tagging": (Tagging, TaggingCodec),
    "classification": (Classification, ClassificationCodec),
}
"""Kind of a task on text → its data and its codec."""


def data_folder(folder: Path, fingerprint: str) -> Path:
    """Where the data of a fingerprint lies."""
    return folder / "data" / fingerprint[:16]


def keep(task: Task, folder: Path) -> None:
    """Write what belongs to a task; :func:`reopen` needs its facts too.

    Raises:
        RegardError: if it cannot be written.
    """
    task.data.save(data_folder(folder, task.data.fingerprint))
    if not isinstance(task, TextTask):
        return
    for vocabulary in task.codec.vocabularies.values():
        path = _vocabulary_file(folder, vocabulary.fingerprint)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(path.parent, error) from None
        vocabulary.save(path)


def reopen(folder: Path, fingerprint: str, facts: Mapping[str, Any]) -> Task:
    """The task of which the facts were kept, on the CPU.

    Raises:
        RegardError: if something of it is not there any more, or damaged, or another.
    """
    where = data_folder(folder, fingerprint)
    if facts["kind"] == "images":
        return ImageTask.of(Images.load(where, check=False), channels=facts["channels"])
    if facts["kind"] not in CORPORA:
        raise RegardError(f"no task is called {facts['kind']!r}")
    corpus_of, codec_of = CORPORA[facts["kind"]]
    vocabularies = {}
    for side, print_ in facts["vocabularies"].items():
        path = _vocabulary_file(folder, print_)
        vocabularies[side] = load_vocabulary(path)
        vocabularies[side].require(print_, f"the trial, which expects {path},")
    corpus = corpus_of.load(where, check=False)
    codec = codec_of(
        vocabularies=vocabularies,
        classes=corpus.classes,
        dim=facts["dim"],
        length=facts["length"],
    )
    return text_task(corpus, codec, facts["measure"])


def _vocabulary_file(folder: Path, fingerprint: str) -> Path:
    return folder / "vocabularies" / f"{fingerprint[:16]}.json"
