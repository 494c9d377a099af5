import math

import pytest
import torch

import regard
from regard.errors import RegardError


def by_hand(query, source, module, groups):
    """Head i attends with the keys and values of head i // (h / g), number by number."""
    width, per = query.shape[2] // module.heads, module.heads // groups
    heads = torch.zeros_like(query)
    for b in range(query.shape[0]):
        q = query[b] @ module.query.weight.T
        k, v = (source[b] @ layer.weight.T for layer in (module.key, module.value))
        for h in range(module.heads):
            mine = slice(h * width, (h + 1) * width)
            shared = slice(h // per * width, (h // per + 1) * width)
            for i, row in enumerate(q[:, mine].tolist()):
                raised = [
                    math.exp(sum(x * y for x, y in zip(row, key, strict=True)) / math.sqrt(width))
                    for key in k[:, shared].tolist()
                ]
                for weight, value in zip(raised, v[:, shared], strict=True):
                    heads[b, i, mine] += weight / sum(raised) * value
    return heads @ module.output.weight.T


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_it_is_the_papers_equation_in_llamas_order_of_heads(groups, moved, drawn):
    module = moved(regard.get("grouped_query", 8, heads=4, groups=groups))
    query, source = drawn(2, 3, 8), drawn(2, 5, 8, seed=2)
    wanted = by_hand(query, source, module, groups)
    torch.testing.assert_close(module(query, source), wanted, rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count):
    for groups, wanted in ((8, 1_048_576), (4, 786_432), (2, 655_360), (1, 589_824)):
        assert count(regard.get("grouped_query", 512, groups=groups, device="meta")) == wanted


def test_as_many_groups_as_heads_are_multi_head_attention(moved, drawn):
    grouped = moved(regard.get("grouped_query", 8, heads=4, groups=4))
    plain, x = regard.get("multihead", 8, heads=4).double(), drawn(2, 5, 8)
    plain.load_state_dict(grouped.state_dict())
    torch.testing.assert_close(grouped(x, causal=True), plain(x, causal=True))


@pytest.mark.parametrize("groups", [1, 2])
def test_it_is_multi_head_attention_with_repeated_projections(groups, moved, drawn):
    grouped, x = moved(regard.get("grouped_query", 8, heads=4, groups=groups)), drawn(2, 5, 8)
    plain, state = regard.get("multihead", 8, heads=4).double(), grouped.state_dict()
    for name in ("key.weight", "value.weight"):
        heads = state[name].view(groups, 2, 8)
        state[name] = heads.repeat_interleave(4 // groups, 0).reshape(8, 8)
    plain.load_state_dict(state)
    mask = torch.tensor([[True] * 5, [True, True, True, False, False]])
    torch.testing.assert_close(grouped(x, mask=mask), plain(x, mask=mask))


def test_it_is_pytorchs_own_grouped_attention(moved, drawn):
    module, x = moved(regard.get("grouped_query", 8, heads=4, groups=2)), drawn(2, 5, 8)
    q, k, v = (
        layer(x).unflatten(-1, (-1, 2)).transpose(1, 2)
        for layer in (module.query, module.key, module.value)
    )
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    torch.testing.assert_close(module(x), module.output(out.transpose(1, 2).flatten(2)))


def test_a_query_without_keys_gets_zeros_in_spite_of_biases(moved, drawn):
    module, x = moved(regard.get("grouped_query", 8, heads=4, bias=True)), drawn(2, 3, 8)
    mask = torch.ones(2, 3, 3, dtype=torch.bool)
    mask[1, 2] = False
    out = module(x, mask=mask)
    assert not out[1, 2].any()
    assert out[1, :2].all()
    torch.testing.assert_close(out[0], module(x)[0])


def test_another_order_of_tokens_is_followed(moved, drawn):
    module, x = moved(regard.get("grouped_query", 8, heads=4)), drawn(2, 6, 8)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(module(x[:, order]), module(x)[:, order])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"heads": 3, "groups": 1}, "3 heads do not divide a width of 16"),
        ({"heads": 8, "groups": 3}, "3 groups do not divide 8 heads; these do: 1, 2, 4, 8"),
        ({"groups": 0}, "groups is 0"),
        ({"source_dim": 0}, "source_dim is 0"),
    ],
)
def test_what_cannot_be_built_is_an_error(given, words):
    with pytest.raises(RegardError, match=words):
        regard.get("grouped_query", 16, **given)


def test_values_of_another_number_than_the_keys_are_an_error(drawn):
    module = regard.get("grouped_query", 16).double()
    with pytest.raises(RegardError, match="as many values as keys"):
        module(drawn(2, 5, 16), drawn(2, 4, 16), drawn(2, 3, 16))
