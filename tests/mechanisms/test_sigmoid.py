import math

import pytest
import torch

import regard
from regard.errors import RegardError


def by_hand(query, source, module, offset):
    width = query.shape[2] // module.heads
    heads = torch.zeros_like(query)
    for b in range(query.shape[0]):
        q, k, v = (
            x @ layer.weight.T
            for x, layer in (
                (query[b], module.query), (source[b], module.key), (source[b], module.value),
            )
        )  # fmt: skip
        for h in range(module.heads):
            part = slice(h * width, (h + 1) * width)
            for i, row in enumerate(q[:, part].tolist()):
                for key, value in zip(k[:, part].tolist(), v[:, part], strict=True):
                    score = sum(x * y for x, y in zip(row, key, strict=True)) / math.sqrt(width)
                    heads[b, i, part] += value / (1 + math.exp(-score - offset))
    return heads @ module.output.weight.T


@pytest.mark.parametrize(("given", "offset"), [(None, -math.log(5)), (0.0, 0.0), (-2.5, -2.5)])
def test_it_is_the_papers_equation(given, offset, moved, drawn):
    module = moved(regard.get("sigmoid", 6, heads=3, offset=given))
    query, source = drawn(2, 3, 6), drawn(2, 5, 6, seed=2)
    wanted = by_hand(query, source, module, offset)
    torch.testing.assert_close(module(query, source), wanted, rtol=1e-9, atol=1e-9)


def test_without_scores_the_weights_are_nearly_those_of_a_mean(moved, drawn):
    module, x = moved(regard.get("sigmoid", 4, heads=2)), drawn(2, 99, 4)
    module.query.weight.data.zero_()
    mean = module.output(module.value(x).mean(1, keepdim=True)).expand(-1, 99, -1)
    torch.testing.assert_close(module(x), mean * 99 / 100)  # σ(-ln n) = 1 / (n + 1)


def test_the_offset_counts_the_keys_of_each_query(moved, drawn):
    module, x = moved(regard.get("sigmoid", 4, heads=2)), drawn(1, 4, 4)
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]]).bool()[None]
    out = module(x, mask=mask)
    torch.testing.assert_close(out[:, 0], module(x[:, :1], x[:, :2])[:, 0])
    torch.testing.assert_close(out[:, 1], module(x)[:, 1])
    torch.testing.assert_close(out[:, 2], module(x[:, 2:3], x[:, 3:])[:, 0])
    assert not out[:, 3].any()


def test_causal_leaves_the_offset_of_the_whole_sequence(moved, drawn):
    module, x = moved(regard.get("sigmoid", 4, heads=2)), drawn(2, 5, 4)
    fixed = regard.get("sigmoid", 4, heads=2, offset=-math.log(5)).double()
    fixed.load_state_dict(module.state_dict())
    out = module(x, causal=True)
    for i in range(5):
        torch.testing.assert_close(out[:, i], fixed(x[:, i : i + 1], x[:, : i + 1])[:, 0])


def test_one_key_does_not_take_from_another(moved, drawn):
    """With a constant offset a query's result is the sum over the keys alone."""
    module = moved(regard.get("sigmoid", 4, heads=2, offset=-1.0))
    query, keys = drawn(2, 3, 4), drawn(2, 4, 4, seed=2)
    alone = sum(module(query, keys[:, j : j + 1]) for j in range(4))
    torch.testing.assert_close(module(query, keys), alone)


def test_the_number_of_parameters(count):
    assert count(regard.get("sigmoid", 512, device="meta")) == 4 * 512**2


def test_another_order_of_tokens_is_followed(moved, drawn):
    module, x = moved(regard.get("sigmoid", 4, heads=2)), drawn(2, 6, 4)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(module(x[:, order]), module(x)[:, order])


def test_heads_that_do_not_divide_the_width_are_an_error():
    with pytest.raises(RegardError, match="3 heads do not divide a width of 16"):
        regard.get("sigmoid", 16, heads=3)
