"""Data as a task: read, with vocabularies made from its train part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data import Images, Split, load_images
from ..data.findings import OnBad
from ..data.text import (
    Classification,
    Tagging,
    Translation,
    Vocabulary,
    build_vocabulary,
    load_classification,
    load_tagging,
    load_translation,
)
from ..data.text.pairs import Pairs
from ..data.text.ragged import Strings
from ..data.tree import shown_some
from ..errors import RegardError
from . import scores
from .classification import ClassificationTask
from .codec import Codec
from .image_codec import ImageCodec
from .images import ImageTask
from .labeller import TEXT, WORDS, ClassificationCodec, TaggingCodec
from .reading import EMBEDDED, Reading, kind_of, measure_of
from .tagging import TaggingTask
from .task import Rows, Task
from .translation import TranslationTask
from .translator import SOURCE, TARGET, TranslationCodec

LEAST = 2  # times that a token must occur in train; what is rarer teaches what is unknown
LENGTH = 512  # tokens that learned positions know at least
SPARE = 50  # and beyond the longest text


def open_task(
    data: str,
    reading: Reading | None = None,
    *,
    dim: int = 256,
    size: int | None = None,
    channels: int | None = None,
    validation: float = 0.0,
    on_bad: OnBad = "error",
) -> Task:
    """Read data and make it a task, on the CPU.

    Args:
        data: a name of ``EMBEDDED``, or a path.
        reading: how it is read.
        dim: width of the networks on text that say none.
        size: side of the images; by default their own.
        channels: that a network for images takes; by default those of the images.
        validation: share of train that is held out for choices.
        on_bad: what cannot be read is an ``error``, or is left out and told with ``skip``.

    Raises:
        RegardError: if the data cannot be read, or does not tell what it is for.
    """
    reading = reading or Reading()
    kind = kind_of(data, reading)
    if kind == "images":
        images = load_images(data, size=size, validation=validation, on_bad=on_bad)
        return ImageTask.of(images, channels=channels)
    measure = measure_of(data, reading)
    if measure in ("bleu", "chrf"):
        scores.sacrebleu()  # where it is missing, that is said before training
    corpus = load_corpus(kind, data, reading, validation=validation, on_bad=on_bad)
    return text_task(corpus, codec_of(corpus, data, reading, dim), measure)


def open_for(
    codec: Codec | ImageCodec, data: str, reading: Reading, *, on_bad: OnBad = "error"
) -> Task:
    """Data as a task for a network that is there already, with its vocabularies and labels.

    What a file holds that names no parts is all of it test.

    Raises:
        RegardError: if it cannot be read, is for another task, or has images of unknown classes.
    """
    said = replace(reading, task=None if data in EMBEDDED else codec.kind)
    kind = kind_of(data, said)
    if kind != codec.kind:
        raise RegardError(f"{data} is for {kind}; the network is for {codec.kind}")
    if isinstance(codec, ImageCodec):
        images = load_images(data, size=codec.shape[-1], on_bad=on_bad)
        return ImageTask(_relabelled(images, codec), codec, torch.device("cpu"))
    alone = data not in EMBEDDED and said.test is None and Path(data).expanduser().is_file()
    if alone and said.target is None:
        said = replace(said, test=data)
    corpus = load_corpus(codec.kind, data, said, on_bad=on_bad)
    if alone and isinstance(corpus, Translation) and said.target is not None:
        corpus = _all_as_test(corpus)
    return text_task(corpus, codec, measure_of(data, said))


def _all_as_test(corpus: Translation) -> Translation:
    """Two files of pairs, which reading has divided, as one part."""
    rows = [pair for part in corpus.splits().values() for pair in part.texts()]
    whole = Pairs(Strings.of(a for a, _ in rows), Strings.of(b for _, b in rows))
    return Translation(whole, whole, corpus.name)


def _relabelled(images: Images, codec: ImageCodec) -> Images:
    """Images with the classes of a network in its order."""
    unknown = [name for name in images.classes if name not in codec.classes]
    if unknown:
        raise RegardError(
            f"{images.name} has classes that the network does not know: {shown_some(unknown)}"
        )
    order = np.array([codec.classes.index(name) for name in images.classes], np.int64)
    parts: dict[str, Any] = {
        role: Split(split.images, order[split.labels]) for role, split in images.splits().items()
    }
    return replace(images, **parts, classes=codec.classes, fingerprint="")


def load_corpus(
    kind: str, data: str, reading: Reading, *, validation: float = 0.0, on_bad: OnBad = "error"
) -> Translation | Tagging | Classification:
    """The texts of a task that is none of images."""
    name = EMBEDDED[data][1] if data in EMBEDDED and reading.target is None else data
    given: dict[str, Any] = {"validation": validation, "on_bad": on_bad}
    given |= {} if reading.test is None else {"test": reading.test}
    given |= {} if reading.longest is None else {"longest": reading.longest}
    columns = tuple(int(c) if c.isdigit() else c for c in reading.columns)
    if kind == "translation":
        if columns:
            given["columns"] = _two(columns)
        return load_translation(name, reading.target, reverse=reading.reverse, **given)
    if kind == "tagging":
        names: dict[str, Any] = dict(
            zip(("tags", "words"), reversed(reading.columns), strict=False)
        )
        return load_tagging(name, **names, **given)
    if columns:
        given["text"], given["label"] = map(str, _two(columns))
    return load_classification(name, **given)


def text_task(corpus: Any, codec: Any, measure: str) -> Task:
    """The task of texts with a codec of their kind."""
    kinds: dict[type[Codec], Any] = {
        TranslationCodec: TranslationTask,
        TaggingCodec: TaggingTask,
        ClassificationCodec: ClassificationTask,
    }
    made: Task = kinds[type(codec)](corpus, codec, measure)
    return made


def codec_of(corpus: Any, data: str, reading: Reading, dim: int) -> Codec:
    """Vocabularies of the train part, and the labels.

    Args:
        corpus: translation, tagging or classification.
        data: what it was read from.
        reading: unit and size of the vocabularies.
        dim: width of networks that say none.

    Raises:
        RegardError: for a unit that there is not, or text without a token that counts.
    """
    if isinstance(corpus, Translation):
        return _of_translation(corpus, data, reading, dim)
    if isinstance(corpus, Tagging):
        words = Vocabulary.of_words(corpus.train.words, "words", reading.tokens, LEAST)
        length = _length(part.tags.lengths for part in corpus.splits().values())
        sides = {WORDS: words}
        return TaggingCodec(vocabularies=sides, classes=corpus.classes, dim=dim, length=length)
    text = _vocabulary(corpus.train.text, reading.unit or "words", reading)
    length = _length(text.encode_all(part.text).lengths for part in corpus.splits().values())
    sides = {TEXT: text}
    return ClassificationCodec(vocabularies=sides, classes=corpus.classes, dim=dim, length=length)


def _of_translation(corpus: Translation, data: str, reading: Reading, dim: int) -> TranslationCodec:
    default = "characters" if data == "dates" else "words"
    units = (reading.unit or default).split(",")
    if len(units) > 2:
        raise RegardError(f"{len(units)} units of text; expected one, or source,target")
    source = _vocabulary(corpus.train.source, units[0], reading)
    target = _vocabulary(corpus.train.target, units[-1], reading)
    length = _length(
        rows.lengths
        for part in corpus.splits().values()
        for rows in (source.encode_all(part.source), target.encode_all(part.target))
    )
    return TranslationCodec(vocabularies={SOURCE: source, TARGET: target}, dim=dim, length=length)


def _vocabulary(texts: Iterable[str], unit: str, reading: Reading) -> Vocabulary:
    return build_vocabulary(texts, unit.strip(), most=reading.tokens, least=LEAST)  # type: ignore[arg-type]


def _length(lengths: Iterable[Rows]) -> int:
    """What learned positions are to know: the longest text and more."""
    return max(LENGTH, SPARE + max(int(some.max()) for some in lengths))


def _two(columns: tuple[Any, ...]) -> tuple[Any, Any]:
    if len(columns) != 2:
        raise RegardError(f"--columns has {len(columns)}; expected two, such as text,label or 1,2")
    return columns[0], columns[1]
