import math

import pytest
import torch

import regard
from regard.errors import RegardError


def by_hand(query, source, module):
    """Scores of a query, sorted; softmax over the k first and zero for the others."""
    width = query.shape[2] // module.heads
    heads = torch.zeros_like(query)
    for b in range(query.shape[0]):
        q, k, v = (
            x @ layer.weight.T + layer.bias
            for x, layer in (
                (query[b], module.query), (source[b], module.key), (source[b], module.value),
            )
        )  # fmt: skip
        for h in range(module.heads):
            part = slice(h * width, (h + 1) * width)
            for i, row in enumerate(q[:, part].tolist()):
                scores = [
                    sum(x * y for x, y in zip(row, key, strict=True)) / math.sqrt(width)
                    for key in k[:, part].tolist()
                ]
                order = sorted(range(len(scores)), key=lambda j: -scores[j])[: module.k]
                total = sum(math.exp(scores[j]) for j in order)
                for j in order:
                    heads[b, i, part] += math.exp(scores[j]) / total * v[j, part]
    return heads @ module.output.weight.T + module.output.bias


@pytest.mark.parametrize("k", [1, 3, 5, 9])
def test_it_is_the_papers_equation(k, moved, drawn):
    module = moved(regard.get("sparse_topk", 6, heads=3, k=k))
    query, source = drawn(2, 4, 6), drawn(2, 5, 6, seed=2)
    wanted = by_hand(query, source, module)
    torch.testing.assert_close(module(query, source), wanted, rtol=1e-9, atol=1e-9)


def test_with_few_keys_it_is_multi_head_attention(moved, drawn):
    module, x = moved(regard.get("sparse_topk", 4, heads=2, k=5)), drawn(2, 5, 4)
    plain = regard.get("multihead", 4, heads=2, bias=True).double()
    plain.load_state_dict(module.state_dict())
    torch.testing.assert_close(module(x, causal=True), plain(x, causal=True))


def test_the_best_are_chosen_among_keys_that_may_be_attended(moved, drawn):
    module, x = moved(regard.get("sparse_topk", 4, heads=2, k=2)), drawn(2, 6, 4)
    mask = torch.tensor([[True, False, True, True, False, True]]).expand(2, -1)
    torch.testing.assert_close(module(x, mask=mask), module(x, x[:, [0, 2, 3, 5]]))
    out = module(x, causal=True)
    for i in range(6):
        torch.testing.assert_close(out[:, i], module(x[:, : i + 1])[:, i])


def test_a_query_with_fewer_keys_than_k_takes_them_all(moved, drawn):
    module, x = moved(regard.get("sparse_topk", 4, heads=2, k=3)), drawn(1, 4, 4)
    mask = torch.tensor([[True, False, True, False]])
    torch.testing.assert_close(module(x, mask=mask), module(x, x[:, [0, 2]]))


def test_equal_keys_are_all_kept(moved, drawn):
    module, x = moved(regard.get("sparse_topk", 4, heads=2, k=1)), drawn(1, 1, 4)
    values = drawn(1, 3, 4, seed=2)
    same = module(x, x.expand(1, 3, 4), values)
    torch.testing.assert_close(same, module(x, x, values.mean(1, keepdim=True)))


def test_only_chosen_keys_receive_a_gradient(moved, drawn):
    module, x = moved(regard.get("sparse_topk", 4, heads=1, k=2)), drawn(1, 1, 4)
    source = drawn(1, 5, 4, seed=2).requires_grad_()
    module(x, source).sum().backward()
    assert source.grad.abs().sum(2).count_nonzero() == 2


def test_the_number_of_parameters(count):
    assert count(regard.get("sparse_topk", 512, device="meta")) == 4 * 512**2 + 4 * 512


def test_another_order_of_tokens_is_followed(moved, drawn):
    module, x = moved(regard.get("sparse_topk", 4, heads=2, k=3)), drawn(2, 6, 4)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(module(x[:, order]), module(x)[:, order])


def test_no_keys_at_all_is_an_error():
    with pytest.raises(RegardError, match="k is 0"):
        regard.get("sparse_topk", 16, k=0)
