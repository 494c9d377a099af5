import math

import torch

import regard


def by_hand(query, key, value):
    out = torch.zeros(*query.shape[:2], value.shape[2], dtype=query.dtype)
    for b in range(query.shape[0]):
        for i, q in enumerate(query[b].tolist()):
            scores = [sum(x * y for x, y in zip(q, k, strict=True)) for k in key[b].tolist()]
            raised = [math.exp(s) for s in scores]
            for weight, v in zip(raised, value[b], strict=True):
                out[b, i] += weight / sum(raised) * v
    return out


def test_it_is_the_papers_equation(drawn):
    query, key, value = drawn(2, 4, 3), drawn(2, 5, 3, seed=2), drawn(2, 5, 6, seed=3)
    got = regard.get("dot")(query, key, value)
    torch.testing.assert_close(got, by_hand(query, key, value), rtol=1e-9, atol=1e-9)


def test_it_has_no_parameters_and_takes_any_width(drawn, count):
    module = regard.get("dot")
    assert count(module) == 0
    assert module(drawn(1, 4, 3)).shape == (1, 4, 3)
    assert module(drawn(1, 2, 4, 9)).shape == (1, 2, 4, 9)


def test_key_defaults_to_query_and_value_to_key(drawn):
    module, query, key = regard.get("dot"), drawn(1, 4, 3), drawn(1, 5, 3, seed=2)
    assert torch.equal(module(query), module(query, query, query))
    assert torch.equal(module(query, key), module(query, key, key))
