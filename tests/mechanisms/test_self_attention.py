import math

import pytest
import torch

import regard
from regard.errors import RegardError

SCORES = ("scaled_dot", "dot", "cosine", "bilinear", "additive")


def projected(x, weight):
    """x Wᵀ, number by number."""
    return [
        [sum(a * b for a, b in zip(row, w, strict=True)) for w in weight.tolist()]
        for row in x.tolist()
    ]


def by_hand(query, source, module):
    out = torch.zeros_like(query)
    for b in range(query.shape[0]):
        q = projected(query[b], module.query.weight)
        k = projected(source[b], module.key.weight)
        v = torch.tensor(projected(source[b], module.value.weight), dtype=query.dtype)
        for i, row in enumerate(q):
            raised = [
                math.exp(sum(x * y for x, y in zip(row, other, strict=True)) / math.sqrt(len(row)))
                for other in k
            ]
            for weight, value in zip(raised, v, strict=True):
                out[b, i] += weight / sum(raised) * value
    return out


def test_one_source_is_the_papers_equation(moved, drawn):
    module, x = moved(regard.get("self", 4)), drawn(2, 5, 4)
    torch.testing.assert_close(module(x), by_hand(x, x, module), rtol=1e-9, atol=1e-9)


def test_two_sources_are_the_papers_equation(moved, drawn):
    module = moved(regard.get("cross", 4, source_dim=3))
    query, source = drawn(2, 5, 4), drawn(2, 6, 3, seed=2)
    wanted = by_hand(query, source, module)
    torch.testing.assert_close(module(query, source), wanted, rtol=1e-9, atol=1e-9)


def test_the_numbers_of_parameters(count):
    assert count(regard.get("self", 512, device="meta")) == 3 * 512**2
    assert count(regard.get("cross", 512, 256, device="meta")) == 512**2 + 2 * 512 * 256
    assert [count(regard.get("self", 8, score=s)) - 3 * 64 for s in SCORES] == [
        0, 0, 1, 64, 2 * 64 + 8,
    ]  # fmt: skip


def test_cross_attention_to_oneself_is_self_attention(moved, drawn):
    own, cross, x = moved(regard.get("self", 4)), moved(regard.get("cross", 4)), drawn(2, 5, 4)
    assert torch.equal(own(x), cross(x, x))


def test_cross_attention_needs_a_second_source(drawn):
    with pytest.raises(RegardError, match=r"cross takes two sources: call it as m\(query, key\)"):
        regard.get("cross", 4).double()(drawn(1, 2, 4))


@pytest.mark.parametrize("score", SCORES)
def test_another_order_of_tokens_is_followed(score, moved, drawn):
    module, x = moved(regard.get("self", 4, score=score)), drawn(2, 6, 4)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(module(x[:, order]), module(x)[:, order])


def test_a_residual_is_added_where_asked(moved, drawn):
    plain = moved(regard.get("self", 4))
    module, x = moved(regard.get("self", 4, residual=True)), drawn(2, 6, 4)
    torch.testing.assert_close(module(x), x + plain(x))
    bare = regard.get("self", 4, residual=False, start="identity").double()
    assert not bare(x).any()


@pytest.mark.parametrize("given", [{"source_dim": 0}, {"score": "dots"}, {"start": "zero"}])
def test_what_cannot_be_built_is_an_error(given):
    with pytest.raises(RegardError, match=next(iter(given))):
        regard.get("self", 4, **given)


def test_values_of_another_number_or_width_than_the_keys_are_an_error(drawn):
    module = regard.get("self", 4).double()
    with pytest.raises(RegardError, match=r"keys \(2, 3, 4\) and values \(2, 2, 4\)"):
        module(drawn(2, 5, 4), drawn(2, 3, 4), drawn(2, 2, 4))
    with pytest.raises(RegardError, match=r"self \(values\) was built for 4"):
        module(drawn(2, 5, 4), drawn(2, 3, 4), drawn(2, 3, 6))
