from __future__ import annotations

import pytest

from regard.training import Budget


def test_without_the_scale_scores_spread_as_the_root_of_the_width():
    from scale import fresh

    for width in (16, 256):
        scaled, plain = fresh("scaled_dot", width), fresh("dot", width)
        assert plain[0] == pytest.approx(width**0.5 * scaled[0])
        assert scaled[0] == pytest.approx(1, abs=0.1)
        assert plain[1] > scaled[1]


def test_additive_attention_begins_with_equal_weights():
    from scale import fresh

    assert fresh("additive", 64) == (0.0, pytest.approx(1 / 24))


@pytest.mark.parametrize("score", ["additive", "scaled_dot", "dot"])
def test_a_tagger_learns_with_every_score(score, tags):
    from scale import accuracies

    found = accuracies(tags, score, Budget(epochs=2, batch=16), 0)
    assert len(found) == 2
    assert all(0 < share < 1 for share in found)
