import math

import pytest
import torch

import regard
from regard.errors import RegardError


def by_hand(query, source, module):
    """Logits of all heads, mixed; softmax; weights, mixed; sum. Number by number."""
    h, width = module.heads, query.shape[2] // module.heads
    before, after = module.before.tolist(), module.after.tolist()
    heads = torch.zeros_like(query)
    for b in range(query.shape[0]):
        q, k, v = (
            (x @ layer.weight.T).unflatten(-1, (h, width))
            for x, layer in (
                (query[b], module.query), (source[b], module.key), (source[b], module.value),
            )
        )  # fmt: skip
        for i in range(query.shape[1]):
            logits = [
                [(q[i, n] @ k[j, n]).item() / math.sqrt(width) for j in range(len(k))]
                for n in range(h)
            ]
            mixed = [
                [
                    math.exp(sum(logits[n][j] * before[n][m] for n in range(h)))
                    for j in range(len(k))
                ]
                for m in range(h)
            ]
            weights = [[x / sum(row) for x in row] for row in mixed]
            for m in range(h):
                part = slice(m * width, (m + 1) * width)
                for j in range(len(k)):
                    weight = sum(weights[n][j] * after[n][m] for n in range(h))
                    heads[b, i, part] += weight * v[j, m]
    return heads @ module.output.weight.T


@pytest.mark.parametrize("heads", [1, 2, 3])
def test_it_is_the_papers_equation(heads, moved, drawn):
    module = moved(regard.get("talking_heads", 6, heads=heads))
    query, source = drawn(2, 3, 6), drawn(2, 4, 6, seed=2)
    wanted = by_hand(query, source, module)
    torch.testing.assert_close(module(query, source), wanted, rtol=1e-9, atol=1e-9)


def test_heads_that_do_not_talk_are_multi_head_attention(moved, drawn):
    module, x = moved(regard.get("talking_heads", 6, heads=3)), drawn(2, 5, 6)
    for exchange in (module.before, module.after):
        exchange.data = torch.eye(3).double()
    plain, state = regard.get("multihead", 6, heads=3).double(), module.state_dict()
    del state["before"], state["after"]
    plain.load_state_dict(state)
    torch.testing.assert_close(module(x, causal=True), plain(x, causal=True))


def test_the_number_of_parameters(count):
    assert count(regard.get("talking_heads", 512, device="meta")) == 4 * 512**2 + 2 * 64


def test_one_head_may_tell_another_what_the_mask_hides_from_it(moved, drawn):
    module, x = moved(regard.get("talking_heads", 4, heads=2)), drawn(1, 3, 4)
    module.output.weight.data = torch.eye(4).double()
    mask = torch.ones(1, 2, 3, 3, dtype=torch.bool)
    mask[:, 0] = False
    assert module(x, mask=mask)[..., :2].all()
    module.after.data[1, 0] = 0.0
    assert not module(x, mask=mask)[..., :2].any()


def test_a_query_without_keys_gets_zeros_in_spite_of_biases(moved, drawn):
    module, x = moved(regard.get("talking_heads", 4, heads=2, bias=True)), drawn(2, 3, 4)
    mask = torch.tensor([[True] * 3, [False] * 3])
    out = module(x, mask=mask)
    assert not out[1].any()
    torch.testing.assert_close(out[0], module(x)[0])


def test_another_order_of_tokens_is_followed(moved, drawn):
    module, x = moved(regard.get("talking_heads", 4, heads=2)), drawn(2, 6, 4)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(module(x[:, order]), module(x)[:, order])


def test_heads_that_do_not_divide_the_width_are_an_error():
    with pytest.raises(RegardError, match="3 heads do not divide a width of 16"):
        regard.get("talking_heads", 16, heads=3)
