import math

import pytest
import torch

import regard
from regard.errors import RegardError


def inner(a, b):
    return math.fsum(p * q for p, q in zip(a, b, strict=True))


def affine(layer, pixel):
    rows = layer.weight.flatten(1).tolist()
    biases = [0.0] * len(rows) if layer.bias is None else layer.bias.tolist()
    return [b + inner(row, pixel) for row, b in zip(rows, biases, strict=True)]


def softmax(logits):
    raised = [math.exp(v - max(logits)) for v in logits]
    return [r / math.fsum(raised) for r in raised]


def by_hand(x, module):
    """Gathering, equation 3, then distribution, equation 5, pixel by pixel."""
    out = torch.empty_like(x)
    for n, sample in enumerate(x):
        pixels = sample.flatten(1).T.tolist()
        features = list(zip(*(affine(module.value, p) for p in pixels), strict=True))
        maps = zip(*(affine(module.gather, p) for p in pixels), strict=True)
        descriptors = [[inner(softmax(m), f) for f in features] for m in maps]
        for i, pixel in enumerate(pixels):
            shares = softmax(affine(module.distribute, pixel))
            taken = [inner(shares, column) for column in zip(*descriptors, strict=True)]
            out[n].view(len(pixel), -1)[:, i] = torch.tensor(
                [p + z for p, z in zip(pixel, affine(module.output, taken), strict=True)],
                dtype=x.dtype,
            )
    return out


@pytest.mark.parametrize("descriptors", [None, 3])
def test_it_is_the_papers_equation(descriptors, moved, drawn):
    module = moved(regard.get("a2", 4, descriptors=descriptors))
    x = drawn(2, 4, 3, 5)
    torch.testing.assert_close(module(x), by_hand(x, module), rtol=1e-9, atol=1e-9)


def test_the_number_of_parameters(count, table):
    for c in table:
        assert count(regard.get("a2", c, device="meta")) == 2 * c * c + 2 * c // 2 + c
    value_and_output, both_maps = 64 * 32 + 32 + 32 * 64 + 64, 2 * 64 * 8 + 8
    assert count(regard.get("a2", 64, descriptors=8)) == value_and_output + both_maps


def test_an_identity_start_gives_the_input(drawn):
    x = drawn(2, 8, 4, 3)
    assert torch.equal(regard.get("a2", 8, start="identity").double()(x), x)
    assert not torch.allclose(regard.get("a2", 8).double()(x), x)


def test_a_pixels_weights_over_the_descriptors_sum_to_one(moved, drawn):
    module = moved(regard.get("a2", 8))
    torch.nn.init.zeros_(module.gather.weight)  # all descriptors are the mean of the values
    x = drawn(2, 8, 4, 3)
    mean = module.value(x).mean((2, 3), keepdim=True)
    torch.testing.assert_close(module(x) - x, module.output(mean).expand_as(x))


def test_another_order_of_pixels_is_followed(moved, drawn):
    module, x = moved(regard.get("a2", 8)), drawn(2, 8, 6)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(module(x[..., order]), module(x)[..., order])


def test_samples_do_not_see_each_other(moved, drawn):
    module, x = moved(regard.get("a2", 8)), drawn(3, 8, 4, 4)
    torch.testing.assert_close(module(x[:1]), module(x)[:1])


@pytest.mark.parametrize("given", [{"reduction": 0}, {"descriptors": 0}])
def test_what_cannot_be_built_is_an_error(given):
    with pytest.raises(RegardError, match=f"{next(iter(given))} is 0"):
        regard.get("a2", 64, **given)


def test_with_few_channels_its_softmax_still_has_two_entries_to_weigh():
    for channels in (1, 2, 3):
        torch.manual_seed(0)
        module = regard.get("a2", channels).double()
        out = module(torch.randn(4, channels, 3, 5, dtype=torch.float64))
        (out**3).sum().backward()
        weight = module.distribute.weight
        assert weight.grad.any()
