from __future__ import annotations

import pytest
import torch

from regard.tasks import Network
from regard.training import Budget


def test_a_token_that_looks_everywhere_alike_has_the_even_share(tags):
    from heads import own_share

    model = tags.build(Network(name="transformer", options={"heads": 4}))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "attention.query" in name:
                weight.zero_()
    own, even = own_share(model, tags)
    assert own == pytest.approx(even)
    lengths = tags.encoded["test"].inputs.lengths
    assert even == pytest.approx(len(lengths) / lengths.sum())


def test_one_head_and_eight_have_the_same_number_of_weights(tags):
    from heads import run

    models = [tags.build(Network(name="transformer", options={"heads": h})) for h in (1, 8)]
    assert len({sum(p.numel() for p in model.parameters()) for model in models}) == 1
    accuracy, own, even = run(tags, 8, Budget(epochs=1, batch=16), 0)
    assert 0 < accuracy < 1
    assert 0 < own < 1
    assert 0 < even < 1
