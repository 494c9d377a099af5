"""Attention that mistakes masks, order or the softmax: each is caught by its rule."""

import math

import torch

from regard.checks import check
from regard.ops import attend


def test_softmax_over_the_batch(caught, attention):
    class Broken(attention):
        def softmax(self, scores, allowed):
            return scores.softmax(0)

    caught("batch", Broken, "with and without the others")


def test_exponential_without_the_maximum(caught, attention):
    class Broken(attention):
        def softmax(self, scores, allowed):
            raised = scores.exp() * allowed
            return raised / raised.sum(-1, keepdim=True)

    caught("finite", Broken, "numbers of 10000 in torch.float32")


def test_nan_where_nothing_may_be_attended(caught, attention):
    class Broken(attention):
        def softmax(self, scores, allowed):
            return scores.masked_fill(~allowed, -math.inf).softmax(-1)

    caught("masked_row", Broken, "NaN")


def test_mean_where_nothing_may_be_attended(caught, attention):
    class Broken(attention):
        def softmax(self, scores, allowed):
            return scores.masked_fill(~allowed, -1e9).softmax(-1)

    caught("masked_row", Broken, "other than zeros")


def test_weights_of_a_row_that_is_only_hidden_at_the_end(caught, attention):
    class Broken(attention):
        def forward(self, query, key=None, value=None, mask=None, causal=False):
            key = query if key is None else key
            value = key if value is None else value
            out = attend(query @ self.weight, key, value, "dot")
            return out if mask is None else out * mask.any(-1)[:, None, None]

    caught("masked_row", Broken, "has weights other than zero")


def test_mask_that_forbids_what_it_should_allow(caught, attention):
    class Broken(attention):
        def allowed(self, scores, mask, causal):
            return super().allowed(scores, None if mask is None else ~mask, causal)

    caught("padding", Broken, "padding moves the real outputs")


def test_mask_after_the_softmax(caught, attention):
    class Broken(attention):
        def softmax(self, scores, allowed):
            return scores.softmax(-1) * allowed

    caught("padding", Broken, "with a mask [B, Nk]")


def test_causal_that_sees_one_key_ahead(caught, attention):
    class Broken(attention):
        def allowed(self, scores, mask, causal):
            return super().allowed(scores, mask, False).tril(1 if causal else scores.shape[-1])

    caught("causal", Broken, "tokens from 1 on move the outputs before")


def test_positions_in_the_scores(caught, attention):
    class Broken(attention):
        def softmax(self, scores, allowed):
            return super().softmax(scores + torch.arange(scores.shape[-1]), allowed)

    caught("permutation", Broken, "another order")


def test_key_ignored(caught, attention):
    class Broken(attention):
        def forward(self, query, key=None, value=None, mask=None, causal=False):
            return super().forward(query, None, query if value is None else value, mask, causal)

    caught("sources", Broken, "nothing depends on key")


def test_sound_attention_keeps_the_rules(make_card, attention):
    rules = ["shape", "batch", "finite", "masked_row", "padding", "causal", "permutation"]
    report = check(make_card(attention), rules)
    assert [o.status for o in report.outcomes] == ["passed"] * len(rules), report.table()
