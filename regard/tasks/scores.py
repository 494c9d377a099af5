"""Measures of texts and of labels; each is a share, 0 to 1.

BLEU (Papineni et al., ACL 2002) and chrF (Popović, WMT 2015) come from sacrebleu with its defaults
(Post, WMT 2018, arXiv:1804.08771); a signature says which, and belongs beside every such number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import RegardError

Ints = npt.NDArray[np.integer]


class Score(NamedTuple):
    """A score of a corpus.

    Args:
        value: 0 to 1, a hundredth of what sacrebleu prints.
        signature: of sacrebleu: what was computed, and by which version.
    """

    value: float
    signature: str


def bleu(hypotheses: Sequence[str], references: Sequence[str], chinese: bool = False) -> Score:
    """BLEU of a corpus with one reference each.

    Args:
        hypotheses: what a network wrote, as plain text.
        references: what was to be written.
        chinese: both are Chinese: every Chinese character is a word (sacrebleu's ``zh``); else
            words are cut as by WMT (``13a``).

    Raises:
        RegardError: sacrebleu is not installed, no text, or other numbers of texts.
    """
    _require(hypotheses, references)
    # force: no advice about text that looks tokenised, which does not change the score.
    metric = sacrebleu().BLEU(tokenize="zh" if chinese else "13a", force=True)
    return _score(metric, hypotheses, references)


def chrf(hypotheses: Sequence[str], references: Sequence[str]) -> Score:
    """chrF2 of a corpus with one reference each: characters, so that no language is cut into words.

    Args:
        hypotheses, references: as for :func:`bleu`.

    Raises:
        RegardError: as for :func:`bleu`.
    """
    _require(hypotheses, references)
    return _score(sacrebleu().CHRF(), hypotheses, references)


def exact(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Share of the texts that equal their references.

    Raises:
        RegardError: no text, or other numbers of texts.
    """
    _require(hypotheses, references)
    return sum(map(str.__eq__, hypotheses, references)) / len(references)


def accuracy(predicted: Ints, true: Ints) -> float:
    """Share of the labels, ``[N]`` each, that are right.

    Raises:
        RegardError: no label, or other numbers of labels.
    """
    _require(predicted, true)
    return float((predicted == true).mean())


def macro_f1(predicted: Ints, true: Ints, classes: int) -> float:
    """The mean over classes of F1 = 2 · hits / (predicted + true), each class counted alike.

    A class that is neither predicted nor true is left out of the mean, for it has no F1; one that
    is only predicted, or only true, counts with 0.

    Args:
        predicted, true: labels ``[N]``, below ``classes``.
        classes: how many there are.

    Raises:
        RegardError: no label, other numbers of labels, or one outside the classes.
    """
    _require(predicted, true)
    low = min(predicted.min(), true.min())
    high = max(predicted.max(), true.max())
    if low < 0 or high >= classes:
        raise RegardError(f"labels go from {low} to {high}; expected 0 to {classes - 1}")
    hits = np.bincount(true[predicted == true], minlength=classes)
    both = np.bincount(predicted, minlength=classes) + np.bincount(true, minlength=classes)
    met = both > 0
    return float((2 * hits[met] / both[met]).mean())


def by_length(lengths: Ints, edges: tuple[int, ...]) -> dict[str, npt.NDArray[np.intp]]:
    """Which texts are how long: with edges 8 and 17 they are ``1–8``, ``9–17`` and ``18+``.

    Args:
        lengths: ``[N]``, 1 or more.
        edges: the greatest length of each bucket but the last, increasing.

    Returns:
        Name of a bucket → indices of its texts, from short to long; empty ones are left out.

    Raises:
        RegardError: a length below 1, or edges that are below 1 or do not increase.
    """
    ends = np.array((0, *edges))
    if (np.diff(ends) < 1).any() or (lengths < 1).any():
        raise RegardError(
            f"lengths from {lengths.min(initial=1)}, edges {edges}; expected lengths of 1 or more "
            "and edges that increase from 1"
        )
    bucket = np.searchsorted(ends, lengths, side="left") - 1
    return {
        _name(ends, k): np.flatnonzero(bucket == k) for k in range(len(ends)) if (bucket == k).any()
    }


def _name(ends: Ints, bucket: int) -> str:
    low = int(ends[bucket]) + 1
    if bucket + 1 == len(ends):
        return f"{low}+"
    high = int(ends[bucket + 1])
    return f"{low}–{high}" if low < high else f"{low}"


def _require(mine: Sequence[str] | Ints, true: Sequence[str] | Ints) -> None:
    if len(mine) != len(true) or not len(true):
        raise RegardError(
            f"{len(mine)} answers came for {len(true)} references; expected as many, 1 or more"
        )


def _score(metric: Any, hypotheses: Sequence[str], references: Sequence[str]) -> Score:
    found = metric.corpus_score(list(hypotheses), [list(references)]).score
    return Score(float(found) / 100, str(metric.get_signature()))


def sacrebleu() -> Any:
    """The metrics of sacrebleu; RegardError where it is not installed."""
    try:
        from sacrebleu import metrics
    except ImportError as error:
        raise RegardError(
            "BLEU and chrF are computed by the library sacrebleu, which is not installed; "
            "pip install 'regard[text]', or take exact matches"
        ) from error
    return metrics
