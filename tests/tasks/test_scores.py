from __future__ import annotations

import sys
from collections import Counter
from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regard.errors import RegardError
from regard.tasks.scores import accuracy, bleu, by_length, chrf, exact, macro_f1

LABELS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40)


def grams(words, n):
    return Counter(tuple(words[k : k + n]) for k in range(len(words) - n + 1))


def naive_bleu(hypotheses, references):
    """Papineni's formula, counted over a corpus that has every n-gram in common somewhere."""
    logs = []
    for n in range(1, 5):
        found = [(grams(h, n), grams(r, n)) for h, r in zip(hypotheses, references, strict=True)]
        shared = sum((h & r).total() for h, r in found)
        logs.append(log(shared / sum(h.total() for h, _ in found)))
    long, short = sum(map(len, references)), sum(map(len, hypotheses))
    return min(1.0, exp(1 - long / short)) * exp(sum(logs) / 4)


def test_bleu_is_papineni_s_formula():
    pytest.importorskip("sacrebleu")
    hypotheses = ["the small cat sat on the mat", "a dog barks"]
    references = ["the small cat sat on a red mat", "the dog barks loudly"]
    naive = naive_bleu(*([text.split() for text in side] for side in (hypotheses, references)))
    found = bleu(hypotheses, references)
    assert found.value == pytest.approx(naive)
    assert 0 < naive < 1
    assert "tok:13a" in found.signature


def test_chinese_is_cut_into_characters():
    pytest.importorskip("sacrebleu")
    hypotheses, references = ["小猫坐在垫子上面"], ["小猫坐在红垫子上"]
    found = bleu(hypotheses, references, chinese=True)
    assert found.value == pytest.approx(naive_bleu(hypotheses, references))
    assert "tok:zh" in found.signature


def test_chrf_is_an_f_score_of_characters():
    pytest.importorskip("sacrebleu")
    hypothesis, reference = "abcdef", "abcxef"
    found = chrf([hypothesis], [reference])
    precisions = []
    for n in range(1, 7):
        shared = (grams(hypothesis, n) & grams(reference, n)).total()
        precisions.append(shared / (len(hypothesis) - n + 1))
    assert found.value == pytest.approx(sum(precisions) / 6)  # equal lengths: precision is recall
    assert "nc:6" in found.signature


@pytest.mark.parametrize("score", [bleu, chrf])
def test_a_perfect_corpus_scores_one_and_a_foreign_one_nothing(score):
    pytest.importorskip("sacrebleu")
    text = ["one two three four five", "six seven eight nine ten"]
    assert score(text, text).value == pytest.approx(1)
    assert score(["ΑΒΓ ΔΕ ΖΗ ΘΙ ΚΛ"] * 2, text).value == 0


@pytest.mark.parametrize("score", [bleu, chrf])
def test_without_the_library_the_remedy_is_told(score, monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(RegardError, match=r"pip install 'regard\[text\]'"):
        score(["a"], ["a"])


def test_exact_counts_whole_texts():
    assert exact(["a b", "a b", "c", "d"], ["a b", "a  b", "c", "e"]) == 0.5


@settings(max_examples=60, deadline=None)
@given(LABELS)
def test_accuracy_and_f1_are_those_of_scikit_learn(pairs):
    metrics = pytest.importorskip("sklearn.metrics")
    predicted, true = (np.array(side) for side in zip(*pairs, strict=True))
    assert accuracy(predicted, true) == pytest.approx(metrics.accuracy_score(true, predicted))
    expected = metrics.f1_score(true, predicted, average="macro", zero_division=0)
    assert macro_f1(predicted, true, 5) == pytest.approx(expected)


def test_a_class_that_nowhere_occurs_moves_no_f1():
    predicted, true = np.array([0, 0, 1, 3]), np.array([0, 1, 1, 0])
    assert macro_f1(predicted, true, 4) == macro_f1(predicted, true, 90)
    assert macro_f1(predicted, true, 4) == pytest.approx((0.5 + 2 / 3 + 0) / 3)


def test_buckets_hold_every_text_once_at_its_length():
    lengths = np.array([8, 1, 9, 30, 17, 18, 2])
    found = by_length(lengths, (1, 8, 17))
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "1": [1],
        "2–8": [0, 6],
        "9–17": [2, 4],
        "18+": [3, 5],
    }
    assert list(by_length(lengths, (40, 50))) == ["1–40"]
    assert list(by_length(lengths, ())) == ["1+"]


@pytest.mark.parametrize("score", [bleu, chrf, exact])
def test_texts_without_their_references_are_refused(score):
    for hypotheses, references in (([], []), (["a"], ["a", "b"])):
        with pytest.raises(RegardError, match="expected as many"):
            score(hypotheses, references)


@pytest.mark.parametrize("score", [accuracy, lambda a, b: macro_f1(a, b, 3)])
def test_labels_without_their_references_are_refused(score):
    for predicted, true in (([], []), ([1], [1, 2])):
        with pytest.raises(RegardError, match="expected as many"):
            score(np.array(predicted, int), np.array(true, int))


def test_labels_beyond_the_classes_are_refused():
    for label in (-1, 3):
        with pytest.raises(RegardError, match="expected 0 to 2"):
            macro_f1(np.array([label]), np.array([0]), 3)


@pytest.mark.parametrize(("lengths", "edges"), [([0], (3,)), ([1], (0,)), ([1], (3, 3))])
def test_impossible_buckets_are_refused(lengths, edges):
    with pytest.raises(RegardError, match="edges that increase"):
        by_length(np.array(lengths), edges)
