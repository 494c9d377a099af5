"""Tagging and classification."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from regard.data.text import Classification, Tagging
from regard.data.text.labelled import Labelled
from regard.data.text.tagged import Tagged
from regard.tasks import ClassificationTask, Reading, TaggingTask
from regard.tasks.opening import codec_of


class ByNumber(nn.Module):
    """Answers with the number of the token, modulo the classes; for a text that of its first."""

    def __init__(self, classes: int, pooled: bool) -> None:
        super().__init__()
        self.classes, self.pooled = classes, pooled
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, ids):
        logits = nn.functional.one_hot(ids % self.classes, self.classes).float()
        return logits[:, 0] if self.pooled else logits


@pytest.fixture
def nouns():
    classes = ("N", "V")
    train = Tagged.of([(["dog", "runs"], ["N", "V"])] * 2, classes)
    test = Tagged.of([(["dog", "runs", "fast"], ["N", "V", "N"]), (["cat"], ["V"])], classes)
    corpus = Tagging(train, test, "nouns", classes)
    return TaggingTask(corpus, codec_of(corpus, "nouns", Reading(), 8), "accuracy")


def test_every_word_of_test_is_an_answer(nouns):
    assert nouns.answers == 4


def test_words_that_train_lacks_are_measured_apart(nouns):
    # dog is 4 → N, runs 5 → V, what is unknown 1 → V
    found = nouns.evaluate(ByNumber(2, False), "test")
    assert found.measures["accuracy"] == 3 / 4
    assert found.measures["unknown"] == 1 / 2
    assert found.measures["f1"] == pytest.approx((2 * 1 / (1 + 2) + 2 * 2 / (3 + 2)) / 2)
    assert found.parts == {"unknown_words": 2}
    assert "unknown" not in nouns.evaluate(ByNumber(2, False), "train").measures


def test_labels_that_a_network_does_not_know_are_always_wrong(nouns):
    classes = ("V", "X", "N")  # in another order, and one more
    data = Tagged.of([(["dog", "runs", "cat"], ["N", "V", "X"])], classes)
    other = replace(nouns, data=Tagging(data, data, "other", classes))
    assert other.evaluate(ByNumber(2, False), "test").measures["accuracy"] == 2 / 3


def test_a_text_gets_one_label():
    classes = ("no", "yes")
    part = Labelled.of([("b a", "no"), ("a b b", "yes"), ("b", "yes")], classes)
    corpus = Classification(part, part, "texts", classes)
    task = ClassificationTask(corpus, codec_of(corpus, "texts", Reading(), 8), "accuracy")
    assert task.codec.vocabularies["text"].tokens[4:] == (" b", " a")
    found = task.evaluate(ByNumber(2, True), "test")  # b is 4 → no, a is 5 → yes
    assert found.measures["accuracy"] == 2 / 3
    assert task.codec.predict(ByNumber(2, True), ["a", "", "b b"]) == ["yes", "", "no"]


def test_each_word_of_a_line_gets_a_tag(nouns):
    lines = ["dog runs", "", "cat  dog dog"]
    assert nouns.codec.predict(ByNumber(2, False), lines) == ["N V", "", "V N N"]


def test_rows_stay_in_their_order_whatever_their_length(nouns):
    lines = [" ".join(["dog"] * n) for n in (3, 1, 2, 0, 5)]
    found = nouns.codec.predict(ByNumber(2, False), lines)
    assert [len(line.split()) for line in found] == [3, 1, 2, 0, 5]
    assert np.unique(" ".join(found).split()).tolist() == ["N"]
