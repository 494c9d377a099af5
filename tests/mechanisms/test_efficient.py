import math

import pytest
import torch

import regard
from regard.errors import RegardError


def inner(a, b):
    return math.fsum(p * q for p, q in zip(a, b, strict=True))


def affine(layer, pixel):
    rows, biases = layer.weight.flatten(1).tolist(), layer.bias.tolist()
    return [b + inner(row, pixel) for row, b in zip(rows, biases, strict=True)]


def softmax(logits):
    raised = [math.exp(v - max(logits)) for v in logits]
    return [r / math.fsum(raised) for r in raised]


def parts(vector, heads):
    width = len(vector) // heads
    return [vector[i * width : (i + 1) * width] for i in range(heads)]


def by_hand(x, module):
    """Head by head: each pixel's weight for every other is ρ_q(q_i) · ρ_k(k)_j, written out."""
    out = torch.empty_like(x)
    for n, sample in enumerate(x):
        pixels = sample.flatten(1).T.tolist()
        queries, keys, values = (
            [parts(affine(layer, p), module.heads) for p in pixels]
            for layer in (module.query, module.key, module.value)
        )
        gathered = [[] for _ in pixels]
        for h in range(module.heads):
            over_pixels = [softmax(c) for c in zip(*(k[h] for k in keys), strict=True)]
            for i, query in enumerate(queries):
                shares = softmax(query[h])
                weights = [inner(shares, column) for column in zip(*over_pixels, strict=True)]
                columns = zip(*(v[h] for v in values), strict=True)
                gathered[i] += [inner(weights, column) for column in columns]
        for i, pixel in enumerate(pixels):
            for c, z in enumerate(affine(module.output, gathered[i])):
                out[n, c].view(-1)[i] = pixel[c] + z
    return out


@pytest.mark.parametrize(
    "given", [{}, {"key_channels": 6, "value_channels": 2}, {"key_channels": 4, "heads": 2}]
)
def test_it_is_the_official_equation(given, moved, drawn):
    module, x = moved(regard.get("efficient", 4, **given)), drawn(2, 4, 3, 4)
    torch.testing.assert_close(module(x), by_hand(x, module), rtol=1e-9, atol=1e-9)


def test_the_number_of_parameters(count, table):
    for c in table:
        assert count(regard.get("efficient", c, device="meta")) == 2 * c * c + 5 * c // 2
    made = count(regard.get("efficient", 64, 24, 16))
    assert made == 2 * (64 * 24 + 24) + 64 * 16 + 16 + 16 * 64 + 64


def test_an_identity_start_gives_the_input(drawn):
    x = drawn(2, 8, 4, 3)
    assert torch.equal(regard.get("efficient", 8, start="identity").double()(x), x)
    assert not torch.allclose(regard.get("efficient", 8).double()(x), x)


def test_every_pixels_weights_over_all_pixels_sum_to_one(moved, drawn):
    module, x = moved(regard.get("efficient", 8, heads=2)), drawn(2, 8, 4, 3)
    torch.nn.init.zeros_(module.value.weight)  # all values are the bias
    wanted = x + module.output(module.value.bias[None, :, None, None])
    torch.testing.assert_close(module(x), wanted)


def test_another_order_of_pixels_is_followed(moved, drawn):
    module, x = moved(regard.get("efficient", 8, heads=4)), drawn(2, 8, 6)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(module(x[..., order]), module(x)[..., order])


def test_a_shift_of_the_keys_changes_nothing(moved, drawn):
    module, x = moved(regard.get("efficient", 8)), drawn(2, 8, 4, 3)
    before = module(x)
    module.key.bias.data += torch.tensor([1.0, -2.0, 0.5, 3.0])
    torch.testing.assert_close(module(x), before)


def test_heads_that_do_not_divide_are_an_error():
    with pytest.raises(RegardError, match="3 heads do not divide 32 key channels and 32 value"):
        regard.get("efficient", 64, heads=3)
    with pytest.raises(RegardError, match="heads is 0"):
        regard.get("efficient", 64, heads=0)


def test_with_few_channels_its_softmax_still_has_two_entries_to_weigh():
    for channels in (1, 2, 3):
        torch.manual_seed(0)
        module = regard.get("efficient", channels).double()
        out = module(torch.randn(4, channels, 3, 5, dtype=torch.float64))
        (out**3).sum().backward()
        weight = module.query.weight
        assert weight.grad.any()
