import math
from itertools import product

import pytest
import torch

import regard
from regard.errors import RegardError


def sigmoid(logit):
    return 1 / (1 + math.exp(-logit))


def affine(layer, values):
    return [
        b + sum(w * v for w, v in zip(row, values, strict=True))
        for row, b in zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
    ]


def convolved(planes, conv, norm):
    """BN of a grouped 7×7 convolution with zeros around the map."""
    kernel, bias = conv.weight.tolist(), conv.bias.tolist()
    each, of_one = conv.in_channels // conv.groups, conv.out_channels // conv.groups
    height, width = len(planes[0]), len(planes[0][0])
    out = [[[0.0] * width for _ in range(height)] for _ in bias]
    for c, i, j in product(range(len(bias)), range(height), range(width)):
        total = bias[c]
        for k, p, q in product(range(each), range(height), range(width)):
            if abs(p - i) <= 3 and abs(q - j) <= 3:
                total += kernel[c][k][p - i + 3][q - j + 3] * planes[c // of_one * each + k][p][q]
        spread = math.sqrt(norm.running_var[c].item() + 1e-5)
        centred = (total - norm.running_mean[c].item()) / spread
        out[c][i][j] = norm.weight[c].item() * centred + norm.bias[c].item()
    return out


def by_hand(x, module, bounded):
    out = torch.empty_like(x)
    _, channels, height, width = x.shape
    places = list(product(range(height), range(width)))
    for n in range(x.shape[0]):
        once = x[n].clone()
        for i, j in places:
            hidden = [max(0.0, h) for h in affine(module.reduce, x[n, :, i, j].tolist())]
            for c, gate in enumerate(affine(module.expand, hidden)):
                once[c, i, j] *= sigmoid(gate) if bounded else gate
        hidden = convolved(once.tolist(), module.squeeze, module.squeeze_norm)
        hidden = [[[max(0.0, v) for v in row] for row in plane] for plane in hidden]
        logits = convolved(hidden, module.spread, module.spread_norm)
        part = channels // module.groups
        for c, (i, j) in product(range(channels), places):
            source = c % module.groups * part + c // module.groups
            out[n, c, i, j] = once[c, i, j] * sigmoid(logits[source][i][j])
    return out


@pytest.mark.parametrize("variant", ["listing", "paper"])
@pytest.mark.parametrize("groups", [1, 2])
def test_it_is_the_equation_of_its_variant(variant, groups, moved, drawn):
    module = moved(regard.get("gam", 4, 2, groups=groups, variant=variant))
    x = drawn(2, 4, 5, 3)
    wanted = by_hand(x, module, variant == "paper")
    torch.testing.assert_close(module(x), wanted, rtol=1e-9, atol=1e-9)


def test_the_numbers_of_parameters(count):
    mlp = 2 * 64 * 16 + 16 + 64
    convolutions = 2 * 49 * 64 * 16 + 16 + 64
    assert count(regard.get("gam", 64)) == mlp + convolutions + 2 * 16 + 2 * 64
    grouped = count(regard.get("gam", 64, groups=4))
    assert grouped == mlp + 2 * 49 * 16 * 16 + 16 + 64 + 2 * 16 + 2 * 64


def test_the_first_gate_of_a_pixel_knows_only_that_pixel(moved, drawn):
    module, x = moved(regard.get("gam", 8)), drawn(1, 8, 5, 3)
    other = x.clone()
    other[..., 2, 1] *= -9
    same = torch.ones(5, 3, dtype=torch.bool)
    same[2, 1] = False
    first, second = module.over_channels(x), module.over_channels(other)
    assert torch.equal(first[..., same], second[..., same])
    assert not torch.allclose(first[..., 2, 1], second[..., 2, 1])


def test_only_the_listing_leaves_the_first_gate_unbounded(moved, drawn):
    x = 100 * drawn(2, 8, 5, 3)
    listing, paper = (moved(regard.get("gam", 8, variant=v)) for v in ("listing", "paper"))
    assert listing.over_channels(x).abs().max() > 1
    torch.testing.assert_close(paper.over_channels(x), listing.over_channels(x).sigmoid())


@pytest.mark.parametrize("given", [{"groups": 3}, {"groups": 32}, {"reduction": 0}])
def test_what_cannot_be_built_is_an_error(given):
    with pytest.raises(RegardError, match=next(iter(given))):
        regard.get("gam", 64, **given)
