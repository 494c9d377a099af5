import math

import pytest
import torch

import regard


def by_hand(query, key, scale):
    out = torch.zeros_like(query)
    for b in range(query.shape[0]):
        for i, q in enumerate(query[b].tolist()):
            angles = [
                sum(x * y for x, y in zip(q, k, strict=True)) / math.hypot(*q) / math.hypot(*k)
                for k in key[b].tolist()
            ]
            raised = [math.exp(scale * a) for a in angles]
            for weight, v in zip(raised, key[b], strict=True):
                out[b, i] += weight / sum(raised) * v
    return out


@pytest.mark.parametrize(("log_scale", "scale"), [(None, 10.0), (1.5, math.exp(1.5)), (9.0, 100.0)])
def test_it_is_the_papers_equation(log_scale, scale, drawn):
    module, query, key = regard.get("cosine").double(), drawn(2, 4, 3), drawn(2, 5, 3, seed=2)
    if log_scale is None:
        assert module.log_scale.item() == pytest.approx(math.log(10))
        scale = math.exp(module.log_scale.item())
    else:
        module.log_scale.data.fill_(log_scale)
    torch.testing.assert_close(module(query, key), by_hand(query, key, scale), rtol=1e-9, atol=1e-9)


def test_the_length_of_queries_does_not_matter(drawn):
    module, query, key = regard.get("cosine").double(), drawn(2, 4, 3), drawn(2, 5, 3, seed=2)
    torch.testing.assert_close(module(7 * query, key), module(query, key))
    torch.testing.assert_close(module(query, 7 * key, key), module(query, key))


def test_one_parameter_a_head(count):
    assert count(regard.get("cosine")) == 1
    assert count(regard.get("cosine", 8, heads=4)) == 4
