import math

import pytest
import torch

import regard
from regard.errors import RegardError


def inner(a, b):
    return math.fsum(p * q for p, q in zip(a, b, strict=True))


def linear(layer, pixel):
    return [inner(row, pixel) for row in layer.weight.flatten(1).tolist()]


def normalised(norm, vector):
    facts = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    return [
        (v - mean) / math.sqrt(var + 1e-5) * weight + bias
        for v, weight, bias, mean, var in zip(vector, *(f.tolist() for f in facts), strict=True)
    ]


def softmax(logits):
    raised = [math.exp(v - max(logits)) for v in logits]
    return [r / math.fsum(raised) for r in raised]


def by_hand(x, module):
    """Each pixel's lambda as a sum over the context, then its product with every head's query."""
    out = torch.empty_like(x)
    _, channels, height, width = x.shape
    heads, depth, reach = module.heads, module.depth, module.positions.kernel_size[0] // 2
    filters = module.positions.weight.tolist()  # [k][u][r][r]
    count, values_per_head = len(filters), channels // heads
    places = [(i, j) for i in range(height) for j in range(width)]
    for n, sample in enumerate(x):
        pixels = [sample[:, i, j].tolist() for i, j in places]
        queries = [normalised(module.query_norm, linear(module.query, p)) for p in pixels]
        values = [normalised(module.value_norm, linear(module.value, p)) for p in pixels]
        keys = zip(*(linear(module.key, p) for p in pixels), strict=True)
        keys = [softmax(over_pixels) for over_pixels in keys]  # [k·u][pixels]
        for at, (i, j) in enumerate(places):
            lam = [[0.0] * values_per_head for _ in range(count)]
            for m, (a, b) in enumerate(places):
                near = abs(a - i) <= reach and abs(b - j) <= reach
                for k in range(count):
                    for u in range(depth):
                        weight = keys[k * depth + u][m]
                        if near:
                            weight += filters[k][u][a - i + reach][b - j + reach]
                        for v in range(values_per_head):
                            lam[k][v] += weight * values[m][v * depth + u]
            for h in range(heads):
                query = queries[at][h * count : (h + 1) * count]
                for v in range(values_per_head):
                    column = [row[v] for row in lam]
                    out[n, h * values_per_head + v, i, j] = inner(query, column)
    return out


@pytest.mark.parametrize(
    ("heads", "kernel_size", "depth"), [(1, 3, 1), (2, 3, 1), (2, 5, 3), (4, 23, 1)]
)
def test_it_is_the_papers_equation(heads, kernel_size, depth, moved, drawn):
    given = {"key_channels": 3, "depth": depth}
    module = moved(regard.get("lambda", 4, heads, kernel_size, **given))
    x = drawn(2, 4, 3, 4)
    torch.testing.assert_close(module(x), by_hand(x, module), rtol=1e-9, atol=1e-9)


def test_the_number_of_parameters(count, table):
    for c in table:
        made = count(regard.get("lambda", c, device="meta"))
        assert made == c * (64 + 16 + c // 4) + 2 * 64 + 2 * (c // 4) + 16 * 529


def test_it_is_linear_in_the_values_but_not_in_the_map(moved, drawn):
    module, x = moved(regard.get("lambda", 8, 2, 3)), drawn(2, 8, 4, 3)
    before = module(x)
    module.value_norm.weight.data *= 2
    module.value_norm.bias.data *= 2
    torch.testing.assert_close(module(x), 2 * before)
    assert not torch.allclose(module(2 * x), 4 * module(x))


def test_without_positions_one_lambda_serves_all_pixels(moved, drawn):
    module, x = moved(regard.get("lambda", 8, 2, 3)), drawn(2, 8, 4, 3)
    module.positions.weight.data.zero_()
    lambdas = module.lambdas(x)
    assert lambdas.shape == (2, 4, 16, 12)
    torch.testing.assert_close(lambdas, lambdas[..., :1].expand_as(lambdas))
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    mixed = x.flatten(2)[..., order].view_as(x)
    torch.testing.assert_close(module(mixed).flatten(2), module(x).flatten(2)[..., order])


def test_a_shift_of_the_keys_changes_nothing(moved, drawn):
    module, x = moved(regard.get("lambda", 8, 2, 3)), drawn(2, 8, 4, 3)
    x[:, 0] = 1.0
    before = module(x)
    module.key.weight.data[:, 0] += 2.0  # the same for every pixel: softmax does not see it
    torch.testing.assert_close(module(x), before)


def test_an_identity_start_gives_the_input_in_both_modes(drawn):
    x = drawn(2, 8, 4, 3)
    for training in (False, True):
        module = regard.get("lambda", 8, start="identity").double().train(training)
        assert torch.equal(module(x), x)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"heads": 3}, "3 heads do not divide a width of 64"),
        ({"kernel_size": 4}, "kernel_size is 4; lambda needs an odd number"),
        ({"key_channels": 0}, "key_channels is 0"),
        ({"depth": 0}, "depth is 0"),
    ],
)
def test_what_cannot_be_built_is_an_error(given, words):
    with pytest.raises(RegardError, match=words):
        regard.get("lambda", 64, **given)


def test_the_input_can_be_added_from_the_papers_start_too(moved, drawn):
    plain, added = (moved(regard.get("lambda", 16, residual=r)) for r in (None, True))
    x = drawn(2, 16, 5, 4)
    torch.testing.assert_close(added(x), x + plain(x))
