from __future__ import annotations

from regard.training import Budget


def test_every_sentence_is_counted_once_whatever_the_attention(pairs):
    from long_sentences import ATTENTIONS, by_length

    counts = []
    for attention in ATTENTIONS:
        found = by_length(pairs, attention, Budget(epochs=1, batch=16), 0)
        assert all(0 <= bucket["exact"] <= 1 for bucket in found)
        counts.append([bucket["sentences"] for bucket in found])
    assert counts[0] == counts[1] == counts[2]
    assert sum(counts[0]) == 24
