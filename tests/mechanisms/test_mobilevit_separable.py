import math

import pytest
import torch

import regard
from regard.errors import RegardError

NAME = "mobilevit_separable"


def affine(row, weight, bias):
    return [
        b + sum(w * v for w, v in zip(line, row, strict=True))
        for line, b in zip(weight, bias, strict=True)
    ]


def by_hand(query, key, value, module):
    weight, bias = module.project.weight.tolist(), module.project.bias.tolist()
    dim, out = module.dim, torch.empty_like(query)
    for n in range(len(query)):
        raised = [math.exp(affine(k, weight[:1], bias[:1])[0]) for k in key[n].tolist()]
        summed = [affine(v, weight[1 : dim + 1], bias[1 : dim + 1]) for v in value[n].tolist()]
        context = [
            sum(r * s[c] for r, s in zip(raised, summed, strict=True)) / sum(raised)
            for c in range(dim)
        ]
        for i, row in enumerate(query[n].tolist()):
            gates = affine(row, weight[dim + 1 :], bias[dim + 1 :])
            hidden = [max(0.0, g) * c for g, c in zip(gates, context, strict=True)]
            left = affine(hidden, module.output.weight.tolist(), module.output.bias.tolist())
            out[n, i] = torch.tensor(left, dtype=out.dtype)
    return out


def test_it_is_the_papers_equation(moved, drawn):
    module, x = moved(regard.get(NAME, 4)), drawn(2, 5, 4)
    torch.testing.assert_close(module(x), by_hand(x, x, x, module), rtol=1e-9, atol=1e-9)
    key, value = drawn(2, 3, 4, seed=2), drawn(2, 3, 4, seed=3)
    wanted = by_hand(x, key, value, module)
    torch.testing.assert_close(module(x, key, value), wanted, rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count, table):
    for c in table:
        assert count(regard.get(NAME, c, device="meta")) == 3 * c * c + 4 * c + 1
    assert count(regard.get(NAME, 64, bias=False)) == 3 * 64 * 64 + 64


def test_a_gate_that_is_shut_takes_nothing(moved, drawn):
    module, x = moved(regard.get(NAME, 4)), drawn(2, 5, 4)
    torch.nn.init.constant_(module.project.bias[5:], -1e3)
    torch.testing.assert_close(module(x), module.output.bias.expand(2, 5, 4))


def test_all_queries_share_one_context(moved, drawn):
    module, key = moved(regard.get(NAME, 4)), drawn(1, 7, 4)
    one, two = drawn(1, 1, 4, seed=2), drawn(1, 1, 4, seed=3)
    both = module(torch.cat([one, two], 1), key)
    torch.testing.assert_close(both, torch.cat([module(one, key), module(two, key)], 1))


def test_doubling_the_sequence_changes_nothing(moved, drawn):
    module, x = moved(regard.get(NAME, 4)), drawn(2, 5, 4)
    torch.testing.assert_close(module(x, torch.cat([x, x], 1)), module(x))


def test_a_map_is_its_pixels(moved, drawn):
    module, x = moved(regard.get(NAME, 4)), drawn(2, 4, 3, 5)
    tokens = module(x.flatten(2).transpose(1, 2))
    torch.testing.assert_close(module(x), tokens.transpose(1, 2).unflatten(2, (3, 5)))


def test_a_mask_of_pairs_is_an_error(drawn):
    module, x = regard.get(NAME, 4).double(), drawn(2, 5, 4)
    with pytest.raises(RegardError, match=r"one score a key; its mask is \[B, Nk\]"):
        module(x, mask=torch.ones(2, 5, 5, dtype=torch.bool))


def test_a_sample_without_keys_keeps_its_input_under_a_residual(moved, drawn):
    module, x = moved(regard.get(NAME, 4, residual=True)), drawn(2, 5, 4)
    mask = torch.tensor([[True] * 5, [False] * 5])
    assert torch.equal(module(x, mask=mask)[1], x[1])
