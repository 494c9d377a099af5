import math

import pytest
import torch

import regard
from regard.errors import RegardError


def by_hand(query, source, module):
    """Each head of queries over the one head of keys and values, number by number."""
    width = query.shape[2] // module.heads
    heads = torch.zeros_like(query)
    for b in range(query.shape[0]):
        q = query[b] @ module.query.weight.T
        k, v = (source[b] @ layer.weight.T for layer in (module.key, module.value))
        for h in range(module.heads):
            part = slice(h * width, (h + 1) * width)
            for i, row in enumerate(q[:, part].tolist()):
                raised = [
                    math.exp(sum(x * y for x, y in zip(row, key, strict=True)) / math.sqrt(width))
                    for key in k.tolist()
                ]
                for weight, value in zip(raised, v, strict=True):
                    heads[b, i, part] += weight / sum(raised) * value
    return heads @ module.output.weight.T


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_it_is_the_papers_equation(heads, moved, drawn):
    module = moved(regard.get("multi_query", 4, heads=heads))
    query, source = drawn(2, 3, 4), drawn(2, 5, 4, seed=2)
    wanted = by_hand(query, source, module)
    torch.testing.assert_close(module(query, source), wanted, rtol=1e-9, atol=1e-9)


def test_the_published_number_of_parameters(count):
    assert count(regard.get("multi_query", 512, device="meta")) == 589_824
    two = regard.get("multi_query", 512, source_dim=256, device="meta")
    assert count(two) == 2 * 512**2 + 2 * 256 * 64


def test_it_is_grouped_query_attention_with_one_group(moved, drawn):
    module, x = moved(regard.get("multi_query", 8, heads=4)), drawn(2, 5, 8)
    grouped = regard.get("grouped_query", 8, heads=4, groups=1).double()
    grouped.load_state_dict(module.state_dict())
    assert torch.equal(module(x, causal=True), grouped(x, causal=True))


def test_another_order_of_tokens_is_followed(moved, drawn):
    module, x = moved(regard.get("multi_query", 4, heads=2)), drawn(2, 6, 4)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(module(x[:, order]), module(x)[:, order])


def test_heads_that_do_not_divide_the_width_are_an_error():
    with pytest.raises(RegardError, match="3 heads do not divide a width of 16"):
        regard.get("multi_query", 16, heads=3)
