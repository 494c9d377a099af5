import math

import pytest
import torch

import regard
from regard.errors import RegardError
from regard.mechanisms.cot import local_sum


def conv_by_hand(layer, x):
    """A convolution of one sample [C, H, W] with zeros around, number by number."""
    _, height, width = x.shape
    reach, per_group = layer.kernel_size[0] // 2, x.shape[0] // layer.groups
    biases = [0.0] * layer.out_channels if layer.bias is None else layer.bias.tolist()
    weights, x = layer.weight.tolist(), x.tolist()
    out = torch.zeros(layer.out_channels, height, width, dtype=torch.float64)
    for o in range(layer.out_channels):
        first = o // (layer.out_channels // layer.groups) * per_group
        for i in range(height):
            for j in range(width):
                total = biases[o]
                for c in range(per_group):
                    for a in range(2 * reach + 1):
                        for b in range(2 * reach + 1):
                            p, q = i + a - reach, j + b - reach
                            if 0 <= p < height and 0 <= q < width:
                                total += weights[o][c][a][b] * x[first + c][p][q]
                out[o, i, j] = total
    return out


def norm_by_hand(layer, x):
    spread = (layer.running_var + layer.eps).sqrt()
    scale = layer.weight / spread
    shift = layer.bias - layer.running_mean * scale
    return x * scale[:, None, None] + shift[:, None, None]


def group_norm_by_hand(layer, x):
    out = torch.empty_like(x)
    size = x.shape[0] // layer.num_groups
    for g in range(layer.num_groups):
        part = x[g * size : (g + 1) * size]
        mean = part.sum() / part.numel()
        spread = math.sqrt(((part - mean) ** 2).sum() / part.numel() + 1e-5)
        out[g * size : (g + 1) * size] = (part - mean) / spread
    return out * layer.weight[:, None, None] + layer.bias[:, None, None]


def local_by_hand(value, weights, k):
    """Channel c at (i, j): the sum over k² neighbours with the weights of channel c mod C / 8."""
    channels, height, width = value.shape
    out, reach = torch.zeros_like(value), k // 2
    for c in range(channels):
        for i in range(height):
            for j in range(width):
                for tap in range(k * k):
                    p, q = i + tap // k - reach, j + tap % k - reach
                    if 0 <= p < height and 0 <= q < width:
                        weight = weights[c % (channels // 8) * k * k + tap, i, j]
                        out[c, i, j] += weight * value[c, p, q]
    return out


def by_hand(x, module):
    out = torch.empty_like(x)
    for n, sample in enumerate(x):
        conv, norm, _ = module.static
        static = norm_by_hand(norm, conv_by_hand(conv, sample)).clamp(min=0)
        first, norm, _, second, groups = module.embed
        hidden = norm_by_hand(norm, conv_by_hand(first, torch.cat([sample, static]))).clamp(min=0)
        weights = group_norm_by_hand(groups, conv_by_hand(second, hidden))
        conv, norm = module.value
        value = norm_by_hand(norm, conv_by_hand(conv, sample))
        summed = norm_by_hand(module.norm, local_by_hand(value, weights, module.kernel_size))
        dynamic = summed / (1 + torch.exp(-summed))
        first, norm, _, second = module.mix
        pooled = (dynamic + static).sum((1, 2), keepdim=True) / sample[0].numel()
        lit = norm_by_hand(norm, conv_by_hand(first, pooled)).clamp(min=0)
        logits = conv_by_hand(second, lit).flatten().tolist()
        for c in range(sample.shape[0]):
            share = 1 / (1 + math.exp(logits[2 * c + 1] - logits[2 * c]))
            out[n, c] = share * dynamic[c] + (1 - share) * static[c]
    return out


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_it_is_the_official_equation(kernel_size, moved, drawn):
    module, x = moved(regard.get("cot", 16, kernel_size)), 0.3 * drawn(1, 16, 3, 2)
    with torch.no_grad():
        torch.testing.assert_close(module(x), by_hand(x, module), rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count, table):
    made = [count(regard.get("cot", c, device="meta")) for c in table]
    assert made == [26744, 105200, 417248, 1661888, 6633344, 26504960]


def test_the_identity_start_adds_the_input_and_a_factor_of_zero(count, drawn):
    x = drawn(2, 16, 4, 3)
    module = regard.get("cot", 16, start="identity").double()
    assert torch.equal(module(x), x)
    assert count(module) == count(regard.get("cot", 16)) + 16
    module(x).square().sum().backward()
    assert module.factor.grad.any()


def test_channels_share_the_local_weights_by_their_remainder(moved, drawn):
    module, value = moved(regard.get("cot", 16)), drawn(1, 16, 4, 3)
    weights = drawn(1, 2 * 9, 4, 3, seed=2)
    value[:, 10] = value[:, 4]  # both are even: they take the weights of channel 0
    out = local_sum(value, weights, module.kernel_size)
    torch.testing.assert_close(out[:, 10], out[:, 4])
    value[:, 11] = value[:, 4]
    assert not torch.allclose(local_sum(value, weights, 3)[:, 11], out[:, 4])


def test_the_branches_are_mixed_in_shares_that_sum_to_one(moved, drawn):
    module, x = moved(regard.get("cot", 16)), drawn(2, 16, 4, 3)
    torch.nn.init.zeros_(module.mix[-1].weight)
    module.mix[-1].bias.data.view(16, 2).copy_(torch.tensor([0.0, 1e4]))
    torch.testing.assert_close(module(x), module.static(x))


@pytest.mark.parametrize(
    ("size", "given", "words"),
    [
        (12, {}, "channels is 12; cot needs a multiple of 8"),
        (16, {"kernel_size": 4}, "kernel_size is 4; cot needs an odd number"),
    ],
)
def test_what_cannot_be_built_is_an_error(size, given, words):
    with pytest.raises(RegardError, match=words):
        regard.get("cot", size, **given)


def test_the_input_can_be_added_from_the_papers_start_too(moved, drawn):
    plain, added = (moved(regard.get("cot", 16, residual=r)) for r in (None, True))
    x = drawn(2, 16, 5, 4)
    torch.testing.assert_close(added(x), x + plain(x))
