"""The experiments are scripts: they are imported by their file names, from their folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from regard.data.text import Vocabulary
from regard.data.text.cues import cues
from regard.data.text.toy import toy
from regard.tasks import TaggingTask, TranslationTask
from regard.tasks.labeller import TaggingCodec
from regard.tasks.translator import TranslationCodec

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(autouse=True)
def _on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))


@pytest.fixture
def pairs():
    """Translation with few pairs, and networks of few features."""
    data = toy(32, 24)
    sides = {"source": data.train.source, "target": data.train.target}
    known = {side: Vocabulary.build(texts) for side, texts in sides.items()}
    return TranslationTask(data, TranslationCodec(vocabularies=known, dim=16), "exact")


@pytest.fixture
def tags():
    """Tagging with few sentences."""
    data = cues(64, 16)
    known = {"words": Vocabulary.of_words(data.train.words)}
    codec = TaggingCodec(vocabularies=known, classes=data.classes, dim=16)
    return TaggingTask(data, codec, "accuracy")
