import math

import pytest
import torch

import regard
from regard.errors import RegardError


def attention_by_hand(x, module):
    """The attended channels of one sample [C, H, W], by loops over heads and pairs of pixels."""
    _, height, width = x.shape
    heads, span = module.heads, module.span
    made = torch.einsum("oc,chw->hwo", module.qkv.weight[:, :, 0, 0], x) + module.qkv.bias
    d, dv = module.keys // heads, module.values // heads
    places = [(i, j) for i in range(height) for j in range(width)]

    def vector(table, offset):
        return table[max(-span + 1, min(span - 1, offset)) + span - 1].tolist()

    out = torch.empty(module.values, height, width, dtype=x.dtype)
    for h in range(heads):
        for i, j in places:
            query = [a / math.sqrt(d) for a in made[i, j, h * d : (h + 1) * d].tolist()]
            raised = []
            for m, n in places:
                start = module.keys + h * d
                key = made[m, n, start : start + d].tolist()
                rows = vector(module.relative_height, m - i)
                columns = vector(module.relative_width, n - j)
                logit = sum(
                    a * (b + r + c) for a, b, r, c in zip(query, key, rows, columns, strict=True)
                )
                raised.append(math.exp(logit))
            for c in range(dv):
                channel = 2 * module.keys + h * dv + c
                values = [made[m, n, channel].item() for m, n in places]
                total = sum(r * v for r, v in zip(raised, values, strict=True))
                out[h * dv + c, i, j] = total / sum(raised)
    mixed = torch.einsum("oc,chw->ohw", module.output.weight[:, :, 0, 0], out)
    return mixed + module.output.bias[:, None, None]


def convolution_by_hand(x, layer):
    k = layer.kernel_size[0]
    padded = torch.nn.functional.pad(x, (k // 2,) * 4)
    out = torch.empty(layer.out_channels, *x.shape[1:], dtype=x.dtype)
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            patch = padded[:, i : i + k, j : j + k]
            out[:, i, j] = (layer.weight * patch).sum((1, 2, 3)) + layer.bias
    return out


@pytest.mark.parametrize(("kernel_size", "span"), [(3, 4), (1, 2)])
def test_it_is_the_papers_equation(kernel_size, span, moved, drawn):
    module = regard.get("augmented_conv", 8, kernel_size, 2, keys=6, values=4, span=span)
    module, x = moved(module), drawn(1, 8, 3, 4)
    module.qkv.weight.data *= 0.3
    wanted = torch.cat((convolution_by_hand(x[0], module.conv), attention_by_hand(x[0], module)))
    torch.testing.assert_close(module(x)[0], wanted, rtol=1e-9, atol=1e-9)


def test_the_number_of_parameters(count):
    module = regard.get("augmented_conv", 256, heads=4, keys=40, values=40)
    convolution, projections = 256 * 216 * 9 + 216, 256 * 120 + 120 + 40 * 40 + 40
    assert count(module) == convolution + projections + 2 * 27 * 10


@pytest.mark.parametrize(("channels", "keys", "values"), [(160, 32, 16), (256, 48, 24), (16, 8, 8)])
def test_a_fifth_of_the_channels_for_keys_and_a_tenth_for_values(channels, keys, values):
    module = regard.get("augmented_conv", channels, device="meta")
    assert (module.keys, module.values) == (keys, values)


def test_without_vectors_and_with_equal_keys_it_is_the_mean(moved, drawn):
    module, x = moved(regard.get("augmented_conv", 8, heads=2)), drawn(2, 8, 4, 5)
    module.relative_height.data.zero_()
    module.relative_width.data.zero_()
    module.qkv.weight.data[: 2 * module.keys] = 0
    attended = module(x)[:, -module.values :]
    torch.testing.assert_close(attended, attended[..., :1, :1].expand_as(attended))


def test_the_vectors_have_the_deviation_of_the_papers_code():
    torch.manual_seed(0)
    module = regard.get("augmented_conv", 640, span=200)
    assert abs(module.relative_width.std().item() * math.sqrt(16) - 1) < 0.05


@pytest.mark.parametrize(
    ("channels", "given", "words"),
    [
        (8, {}, "takes 8 of its 8 channels from attention"),
        (64, {"keys": 12}, "keys is 12; it must be a multiple of the 8 heads"),
        (64, {"values": 0}, "values is 0"),
        (64, {"kernel_size": 2}, "kernel_size is 2; it must be odd"),
        (64, {"span": 0}, "span is 0"),
        (64, {"heads": 0}, "heads is 0"),
    ],
)
def test_what_cannot_be_built_is_an_error(channels, given, words):
    with pytest.raises(RegardError, match=words):
        regard.get("augmented_conv", channels, **given)
