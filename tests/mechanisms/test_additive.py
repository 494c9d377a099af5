import math

import pytest
import torch

import regard
from regard.errors import RegardError


def by_hand(query, key, value, module):
    """v·tanh(W q + U k), softmax and sum, number by number."""
    w, u, v = module.query[0].tolist(), module.key[0].tolist(), module.v[0].tolist()
    out = torch.zeros(*query.shape[:2], value.shape[2], dtype=query.dtype)

    def score(q, k):
        return sum(
            v[a]
            * math.tanh(
                sum(x * row[a] for x, row in zip(q, w, strict=True))
                + sum(x * row[a] for x, row in zip(k, u, strict=True))
            )
            for a in range(len(v))
        )

    for b in range(query.shape[0]):
        for i, q in enumerate(query[b].tolist()):
            raised = [math.exp(score(q, k)) for k in key[b].tolist()]
            for weight, row in zip(raised, value[b], strict=True):
                out[b, i] += weight / sum(raised) * row
    return out


def test_it_is_the_papers_equation(moved, drawn):
    module = moved(regard.get("additive", 3, key_dim=4, hidden=5))
    query, key, value = drawn(2, 4, 3), drawn(2, 5, 4, seed=2), drawn(2, 5, 6, seed=3)
    wanted = by_hand(query, key, value, module)
    torch.testing.assert_close(module(query, key, value), wanted, rtol=1e-9, atol=1e-9)


def test_the_papers_number_of_parameters(count):
    assert count(regard.get("additive", 1000, 2000, device="meta")) == 3_001_000
    assert count(regard.get("additive", 1000, 2000, hidden=10, device="meta")) == 30_010


def test_luongs_concat_is_the_same_with_one_matrix(moved, drawn):
    module, query, key = moved(regard.get("additive", 3)), drawn(2, 4, 3), drawn(2, 5, 3, seed=2)
    both = torch.cat([module.query[0], module.key[0]])  # W of [q; k]
    pairs = torch.cat(
        [query.unsqueeze(2).expand(-1, -1, 5, -1), key.unsqueeze(1).expand(-1, 4, -1, -1)], -1
    )
    weights = (torch.tanh(pairs @ both) @ module.v[0]).softmax(-1)
    torch.testing.assert_close(module(query, key), weights @ key)


def test_luongs_concat_has_two_squares_of_parameters(count):
    assert count(regard.get("luong_concat", 1000, device="meta")) == 2 * 1000**2 + 1000


def test_it_begins_uniform_with_the_authors_spread(drawn):
    module, query, key = regard.get("additive", 64).double(), drawn(2, 4, 64), drawn(2, 5, 64)
    mean = key.mean(1, keepdim=True).expand(-1, 4, -1)
    torch.testing.assert_close(module(query, key), mean)
    assert not module.v.any()
    assert module.query.std().item() == pytest.approx(0.001, rel=0.1)


def test_queries_and_keys_meet_in_pairs_of_any_number(moved, drawn):
    module = moved(regard.get("additive", 4))
    for queries, keys in ((3, 5), (5, 5), (1, 7)):
        query, key = drawn(2, queries, 4), drawn(2, keys, 4, seed=2)
        together = module(query, key)
        assert together.shape == (2, queries, 4)
        alone = torch.cat([module(query[:, i : i + 1], key) for i in range(queries)], 1)
        torch.testing.assert_close(together, alone)


def test_large_inputs_do_not_overflow(moved):
    module = moved(regard.get("additive", 4)).float()
    module.v.data *= 1e4
    assert module(1e4 * torch.randn(1, 6, 4)).isfinite().all()


@pytest.mark.parametrize("given", [{"hidden": 0}, {"key_dim": 0}, {"heads": 0}])
def test_what_cannot_be_built_is_an_error(given):
    with pytest.raises(RegardError, match=next(iter(given))):
        regard.get("additive", 3, **given)
