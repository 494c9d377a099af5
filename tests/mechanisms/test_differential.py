import math

import pytest
import torch

import regard
from regard.errors import RegardError


def softmax(scores):
    raised = [math.exp(s) for s in scores]
    return [r / sum(raised) for r in raised]


def by_hand(query, source, module, depth):
    """Both maps of each head, their difference, the norm: number by number."""
    h = module.heads
    width = query.shape[2] // h // 2
    least = 0.8 - 0.6 * math.exp(-0.3 * depth)
    share = (
        math.exp((module.lambda_query1 @ module.lambda_key1).item())
        - math.exp((module.lambda_query2 @ module.lambda_key2).item())
        + least
    )
    heads = torch.zeros_like(query)
    for b in range(query.shape[0]):
        q, k = query[b] @ module.query.weight.T, source[b] @ module.key.weight.T
        v = source[b] @ module.value.weight.T
        for n in range(h):
            whole = slice(2 * n * width, 2 * (n + 1) * width)
            one = slice(2 * n * width, (2 * n + 1) * width)
            two = slice((2 * n + 1) * width, 2 * (n + 1) * width)
            for i in range(query.shape[1]):
                first, second = (
                    softmax([(q[i, p] @ row[p]).item() / math.sqrt(width) for row in k])
                    for p in (one, two)
                )
                taken = sum(
                    (a - share * c) * row[whole] for a, c, row in zip(first, second, v, strict=True)
                )
                size = math.sqrt(sum(x * x for x in taken.tolist()) / len(taken) + 1e-5)
                heads[b, i, whole] = (1 - least) * taken / size * module.norm.weight
    return heads @ module.output.weight.T


@pytest.mark.parametrize(("heads", "depth"), [(1, 0), (2, 3), (3, 11)])
def test_it_is_the_papers_equation(heads, depth, moved, drawn):
    module = moved(regard.get("differential", 12, heads=heads, depth=depth))
    query, source = drawn(2, 3, 12), drawn(2, 4, 12, seed=2)
    wanted = by_hand(query, source, module, depth)
    torch.testing.assert_close(module(query, source), wanted, rtol=1e-9, atol=1e-9)


def test_the_number_of_parameters(count):
    assert count(regard.get("differential", 512, device="meta")) == 4 * 512**2 + 6 * 64


def test_the_share_begins_near_that_of_the_layer():
    torch.manual_seed(0)
    for depth, least in ((0, 0.2), (1, 0.8 - 0.6 * math.exp(-0.3)), (100, 0.8)):
        module = regard.get("differential", 64, depth=depth)
        assert module.least == pytest.approx(least)
        assert module._share().item() == pytest.approx(least, abs=0.25)


def test_maps_that_agree_cancel(moved, drawn):
    """With both maps equal and λ = 1 nothing is left."""
    module, x = moved(regard.get("differential", 8, heads=2)), drawn(2, 5, 8)
    for layer in (module.query, module.key):
        rows = layer.weight.data.view(2, 2, 2, 8)  # heads, maps, width
        rows[:, 1] = rows[:, 0]
    module.lambda_query2.data.zero_()
    module.lambda_key1.data = torch.tensor([1.0, 0.0]).double()
    assert module(x).all()
    module.lambda_query1.data.fill_(math.log(1.8))  # λ = 1.8 - 1 + 0.2
    torch.testing.assert_close(module(x), torch.zeros_like(x), rtol=0, atol=1e-9)


def test_the_length_of_values_does_not_matter_but_for_the_eps(moved, drawn):
    module, x = moved(regard.get("differential", 8, heads=2)), drawn(2, 5, 8)
    torch.testing.assert_close(module(x, x, 1e6 * x), module(x, x, 1e7 * x))


def test_a_mask_of_each_head_hides_from_both_its_maps(moved, drawn):
    module, x = moved(regard.get("differential", 8, heads=2)), drawn(1, 4, 8)
    mask = torch.ones(1, 2, 4, 4, dtype=torch.bool)
    mask[:, 1, :, 2:] = False
    module.output.weight.data = torch.eye(8).double()
    torch.testing.assert_close(module(x, mask=mask)[..., :4], module(x)[..., :4])
    torch.testing.assert_close(module(x, mask=mask)[..., 4:], module(x, x[:, :2])[..., 4:])


def test_another_order_of_tokens_is_followed(moved, drawn):
    module, x = moved(regard.get("differential", 8, heads=2)), drawn(2, 6, 8)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(module(x[:, order]), module(x)[:, order])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"heads": 3}, "3 heads do not divide a width of 16"),
        ({"heads": 16}, "cannot be halved; dim must be divisible by 32"),
        ({"depth": -1}, "depth is -1"),
    ],
)
def test_what_cannot_be_built_is_an_error(given, words):
    with pytest.raises(RegardError, match=words):
        regard.get("differential", 16, **given)
