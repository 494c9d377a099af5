import math

import pytest
import torch

import regard
from regard.errors import RegardError

NAMES = ("polarized_parallel", "polarized_sequential")
VARIANTS = ("official", "paper")


def affine(layer, values):
    bias = [0.0] * layer.out_channels if layer.bias is None else layer.bias.tolist()
    return [
        b + sum(w * v for w, v in zip(row, values, strict=True))
        for row, b in zip(layer.weight.flatten(1).tolist(), bias, strict=True)
    ]


def softmax(values):
    raised = [math.exp(v) for v in values]
    return [r / sum(raised) for r in raised]


def normalised(values, norm):
    mean = sum(values) / len(values)
    spread = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values) + 1e-5)
    gamma, beta = norm.weight.flatten().tolist(), norm.bias.flatten().tolist()
    return [g * (v - mean) / spread + b for g, v, b in zip(gamma, values, beta, strict=True)]


def sigmoids(values):
    return [1 / (1 + math.exp(-v)) for v in values]


def over_channels(pixels, module):
    """The gate of one sample from its pixels, a list of lists of channels."""
    weights = softmax([affine(module.channel_query, p)[0] for p in pixels])
    values = [affine(module.channel_value, p) for p in pixels]
    z = [sum(w * v[c] for w, v in zip(weights, values, strict=True)) for c in range(len(values[0]))]
    for layer in module.up:
        if isinstance(layer, torch.nn.Conv2d):
            z = affine(layer, z)
        elif isinstance(layer, torch.nn.LayerNorm):
            z = normalised(z, layer)
        else:
            z = [max(0.0, v) for v in z]
    return sigmoids(z)


def over_space(pixels, module, kind):
    queries = [affine(module.space_query, p) for p in pixels]
    values = [affine(module.space_value, p) for p in pixels]
    query = [sum(q) / len(pixels) for q in zip(*queries, strict=True)]
    if kind == "paper":
        query = softmax(query)
    elif kind == "sequential":
        planes = [softmax(plane) for plane in zip(*values, strict=True)]
        values = list(zip(*planes, strict=True))
    logits = [sum(q * v for q, v in zip(query, value, strict=True)) for value in values]
    return sigmoids(softmax(logits) if kind == "parallel" else logits)


def by_hand(x, module, sequential, variant):
    kind = "paper" if variant == "paper" else "sequential" if sequential else "parallel"
    out = torch.empty_like(x)
    for n, sample in enumerate(x):
        pixels = sample.flatten(1).T.tolist()
        channel = over_channels(pixels, module)
        gated = [[a * g for a, g in zip(p, channel, strict=True)] for p in pixels]
        space = over_space(gated if sequential else pixels, module, kind)
        rows = [
            [s * v if sequential else s * a + v for a, v in zip(p, q, strict=True)]
            for s, p, q in zip(space, pixels, gated, strict=True)
        ]
        out[n] = torch.tensor(rows, dtype=x.dtype).T.view_as(sample)
    return out


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", NAMES)
def test_it_is_the_equation_of_its_variant(name, variant, moved, drawn):
    module, x = moved(regard.get(name, 16, variant=variant)), drawn(2, 16, 3, 5)
    wanted = by_hand(x, module, name == "polarized_sequential", variant)
    torch.testing.assert_close(module(x), wanted, rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count, table):
    made = [count(regard.get("psa_p", c, device="meta")) for c in table]
    assert made == [8256, 32896, 131328, 524800, 2098176, 8390656]
    made = [count(regard.get("psa_s", c, device="meta")) for c in table]
    assert made == [7064, 27952, 111200, 443584, 1771904, 7082752]
    for name in NAMES:
        assert count(regard.get(name, 64, variant="paper")) == 8545


def test_the_official_parallel_gate_over_space_lies_within_a_hair_of_one_half(drawn):
    module, x = regard.get("polarized_parallel", 16).double(), drawn(2, 16, 14, 14)
    gate = module.over_space(x)
    assert 0.5 < gate.min() < gate.max() < 0.55
    torch.testing.assert_close((gate.logit().sum((1, 2, 3))), torch.ones(2, dtype=torch.float64))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", NAMES)
def test_pixels_may_change_places(name, variant, moved, drawn):
    module, x = moved(regard.get(name, 16, variant=variant)), drawn(2, 16, 3, 5)
    turned = x.flip(2).roll(2, 3)
    torch.testing.assert_close(module(turned), module(x).flip(2).roll(2, 3))


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_gates_of_an_identity_start(variant, drawn):
    x = drawn(2, 16, 3, 5)
    for name, value in zip(NAMES, (0.5, 1.0), strict=True):
        module = regard.get(name, 16, variant=variant, start="identity").double()
        for gate in (module.over_channels(x), module.over_space(x)):
            torch.testing.assert_close(gate, torch.full_like(gate, value))


@pytest.mark.parametrize("name", NAMES)
def test_another_number_of_channels_is_an_error(name, drawn):
    with pytest.raises(RegardError, match=f"{name} was built for 16 on axis 1"):
        regard.get(name, 16).double()(drawn(2, 8, 3, 5))
