import math

import pytest
import torch

import regard
from regard.errors import RegardError


def by_hand(query, key, value, w):
    out = torch.zeros(*query.shape[:2], value.shape[2], dtype=query.dtype)
    for b in range(query.shape[0]):
        for i, q in enumerate(query[b].tolist()):
            raised = [
                math.exp(sum(q[m] * w[m][n] * k[n] for m in range(len(q)) for n in range(len(k))))
                for k in key[b].tolist()
            ]
            for weight, v in zip(raised, value[b], strict=True):
                out[b, i] += weight / sum(raised) * v
    return out


def test_it_is_the_papers_equation_with_queries_and_keys_of_other_widths(moved, drawn):
    module = moved(regard.get("bilinear", 3, key_dim=4))
    query, key, value = drawn(2, 4, 3), drawn(2, 5, 4, seed=2), drawn(2, 5, 6, seed=3)
    wanted = by_hand(query, key, value, module.weight[0].tolist())
    torch.testing.assert_close(module(query, key, value), wanted, rtol=1e-9, atol=1e-9)


def test_with_the_unit_matrix_it_is_the_dot_product(drawn):
    module, x = regard.get("bilinear", 5).double(), drawn(2, 4, 5)
    module.weight.data[0] = torch.eye(5)
    torch.testing.assert_close(module(x), regard.get("dot")(x))


def test_one_matrix_a_head(count):
    assert count(regard.get("bilinear", 1000, device="meta")) == 1_000_000
    assert count(regard.get("bilinear", 3, key_dim=4, heads=2)) == 24


@pytest.mark.parametrize("given", [{"key_dim": 0}, {"heads": 0}])
def test_what_cannot_be_built_is_an_error(given):
    with pytest.raises(RegardError, match=next(iter(given))):
        regard.get("bilinear", 3, **given)


def test_a_key_of_another_width_is_an_error(drawn):
    with pytest.raises(RegardError, match=r"bilinear \(keys\) was built for 4"):
        regard.get("bilinear", 3, key_dim=4).double()(drawn(1, 2, 3))
