import math

import pytest
import torch

import regard
from regard.errors import RegardError


def inner(a, b):
    return math.fsum(p * q for p, q in zip(a, b, strict=True))


def affine(layer, pixel):
    rows = layer.weight.tolist()
    biases = [0.0] * len(rows) if layer.bias is None else layer.bias.tolist()
    return [b + inner(row, pixel) for row, b in zip(rows, biases, strict=True)]


def softmax(logits):
    raised = [math.exp(v - max(logits)) for v in logits]
    return [r / math.fsum(raised) for r in raised]


def window(i, j, k):
    return [(i + a - k // 2, j + b - k // 2) for a in range(k) for b in range(k)]


def by_hand(x, module):
    """Window by window: mix its values with the weights of its centre, add where they belong."""
    out = torch.empty_like(x)
    _, channels, height, width = x.shape
    k, s, width_of_head = module.kernel_size, module.stride, channels // module.heads
    for n, sample in enumerate(x):
        added = torch.zeros(channels, height, width, dtype=x.dtype)
        for i in range(0, height, s):
            for j in range(0, width, s):
                cell = sample[:, i : i + s, j : j + s].flatten(1)
                logits = affine(module.weigh, (cell.sum(1) / cell.shape[1]).tolist())
                places = window(i, j, k)
                values = [
                    affine(module.value, sample[:, p, q].tolist())
                    if 0 <= p < height and 0 <= q < width
                    else [0.0] * channels
                    for p, q in places
                ]
                for c in range(channels):
                    column = [v[c] for v in values]
                    first = c // width_of_head * k**4
                    for row, (p, q) in enumerate(places):
                        if not (0 <= p < height and 0 <= q < width):
                            continue
                        start = first + row * k * k
                        scaled = [
                            v / math.sqrt(width_of_head) for v in logits[start : start + k * k]
                        ]
                        added[c, p, q] += inner(softmax(scaled), column)
        for p in range(height):
            for q in range(width):
                projected = affine(module.output, added[:, p, q].tolist())
                out[n, :, p, q] = torch.tensor(projected, dtype=x.dtype)
    return out


@pytest.mark.parametrize(("kernel_size", "stride"), [(3, 1), (3, 2), (3, 3), (5, 2)])
def test_it_is_the_official_equation(kernel_size, stride, moved, drawn):
    module = moved(regard.get("outlook", 4, 2, kernel_size, stride=stride))
    x = drawn(1, 4, 3, 4)
    torch.testing.assert_close(module(x), by_hand(x, module), rtol=1e-9, atol=1e-9)


def test_the_number_of_parameters(count, table):
    for c in table:
        made = count(regard.get("outlook", c, device="meta"))
        assert made == 2 * c * c + c + (c + 1) * 8 * 81
    d1 = regard.get("outlook", 192, 6, stride=2, device="meta")
    assert count(d1) == 192**2 + 193 * 486 + 193 * 192


def test_a_windows_weights_sum_to_one_in_every_row(moved, drawn):
    module, x = moved(regard.get("outlook", 8, 2, stride=2)), drawn(2, 8, 5, 4)
    weights = module.weights(x)
    assert weights.shape == (2, 2, 3 * 2, 9, 9)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 6, 9).double())


def test_windows_of_one_pixel_are_two_linear_layers(moved, drawn):
    module, x = moved(regard.get("outlook", 8, 2, 1)), drawn(2, 8, 5, 4)
    wanted = module.output(module.value(x.movedim(1, -1))).movedim(-1, 1)
    torch.testing.assert_close(module(x), wanted)


def test_a_pixel_sees_as_far_as_two_windows_reach(moved, drawn):
    module, x = moved(regard.get("outlook", 8)), drawn(1, 8, 9, 9)
    before = module(x)
    x[..., 4, 4] += 1
    moved_places = (module(x) - before).abs().sum((0, 1)) > 0
    wanted = torch.zeros(9, 9, dtype=torch.bool)
    wanted[2:7, 2:7] = True
    assert torch.equal(moved_places, wanted)


def test_the_start_is_that_of_the_official_networks(drawn):
    torch.manual_seed(0)
    module = regard.get("outlook", 256)
    for layer in (module.value, module.weigh, module.output):
        assert abs(layer.weight.std().item() - 0.02) < 1e-3
    assert module.value.bias is None
    assert not module.weigh.bias.any()
    assert not module.output.bias.any()
    x = drawn(2, 8, 5, 4)
    assert torch.equal(regard.get("outlook", 8, start="identity").double()(x), x)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"heads": 3}, "3 heads do not divide a width of 64"),
        ({"kernel_size": 4}, "kernel_size is 4; outlook needs an odd number"),
        ({"stride": 0}, "stride is 0"),
        ({"stride": 4}, "a stride of 4 leaves pixels between windows of 3; 1 to 3 work"),
    ],
)
def test_what_cannot_be_built_is_an_error(given, words):
    with pytest.raises(RegardError, match=words):
        regard.get("outlook", 64, **given)


def test_the_input_can_be_added_from_the_papers_start_too(moved, drawn):
    plain, added = (moved(regard.get("outlook", 16, residual=r)) for r in (None, True))
    x = drawn(2, 16, 5, 4)
    torch.testing.assert_close(added(x), x + plain(x))
