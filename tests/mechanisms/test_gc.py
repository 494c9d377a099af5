import math

import pytest
import torch

import regard
from regard.errors import RegardError


def inner(a, b):
    return math.fsum(p * q for p, q in zip(a, b, strict=True))


def affine(layer, vector):
    rows, biases = layer.weight.flatten(1).tolist(), layer.bias.tolist()
    return [b + inner(row, vector) for row, b in zip(rows, biases, strict=True)]


def transform_by_hand(layers, context):
    """Equation 6 without the addition: bottleneck, LayerNorm over the hidden units, ReLU."""
    first, norm, _, last = layers
    hidden = affine(first, context)
    mean = math.fsum(hidden) / len(hidden)
    spread = math.sqrt(math.fsum((h - mean) ** 2 for h in hidden) / len(hidden) + 1e-5)
    scale, shift = norm.weight.flatten().tolist(), norm.bias.flatten().tolist()
    lit = [
        max(0.0, (h - mean) / spread * s + b) for h, s, b in zip(hidden, scale, shift, strict=True)
    ]
    return affine(last, lit)


def by_hand(x, module):
    out = torch.empty_like(x)
    for n, sample in enumerate(x):
        pixels = sample.flatten(1).T.tolist()
        raised = [math.exp(affine(module.mask, p)[0]) for p in pixels]
        context = [inner(raised, column) / sum(raised) for column in zip(*pixels, strict=True)]
        scale, add = [1.0] * len(context), [0.0] * len(context)
        if module.scale is not None:
            scale = [1 / (1 + math.exp(-v)) for v in transform_by_hand(module.scale, context)]
        if module.add is not None:
            add = transform_by_hand(module.add, context)
        for c in range(len(context)):
            out[n, c] = sample[c] * scale[c] + add[c]
    return out


@pytest.mark.parametrize("fusion", ["add", "scale", "both"])
def test_it_is_the_papers_equation(fusion, moved, drawn):
    module, x = moved(regard.get("gc", 6, 2, fusion=fusion)), drawn(2, 6, 3, 5)
    torch.testing.assert_close(module(x), by_hand(x, module), rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count, table):
    made = [count(regard.get("gc", c, device="meta")) for c in table]
    assert made == [653, 2329, 8753, 33889, 133313, 528769]


@pytest.mark.parametrize("start", ["paper", "identity"])
def test_adding_begins_as_the_identity(start, drawn):
    x = drawn(2, 32, 4, 3)
    assert torch.equal(regard.get("gc", 32, start=start).double()(x), x)


@pytest.mark.parametrize("fusion", ["scale", "both"])
def test_scaling_begins_at_one_half_or_as_the_identity(fusion, drawn):
    x = drawn(2, 32, 4, 3)
    assert torch.equal(regard.get("gc", 32, fusion=fusion).double()(x), 0.5 * x)
    started = regard.get("gc", 32, fusion=fusion, start="identity").double()
    assert torch.equal(started(x), x)


def test_the_context_is_the_same_for_every_pixel(moved, drawn):
    module, x = moved(regard.get("gc", 32)), drawn(2, 32, 4, 3)
    added = module(x) - x
    torch.testing.assert_close(added, added[..., :1, :1].expand_as(added))
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    mixed = x.flatten(2)[..., order]
    torch.testing.assert_close(module(mixed), module(x).flatten(2)[..., order])


def test_equal_weights_make_the_context_the_mean(moved, drawn):
    module, x = moved(regard.get("gc", 32)), drawn(2, 32, 4, 3)
    torch.nn.init.zeros_(module.mask.weight)
    torch.testing.assert_close(module.context(x), x.mean((2, 3), keepdim=True))


def test_a_shift_of_all_logits_changes_nothing(moved, drawn):
    module, x = moved(regard.get("gc", 32)), drawn(2, 32, 4, 3)
    before = module(x)
    module.mask.bias.data += 3.0
    torch.testing.assert_close(module(x), before)


def test_few_channels_keep_two_hidden_units_because_one_would_see_nothing(moved, drawn):
    module = moved(regard.get("gc", 16))
    assert module.add[0].out_channels == 2
    x = drawn(32, 16, 3, 3)
    added = (module(x) - x)[..., 0, 0]
    assert (added - added[:1]).abs().max() > 1


def test_an_unknown_fusion_is_an_error():
    with pytest.raises(RegardError, match="no fusion is called 'mul'"):
        regard.get("gc", 64, fusion="mul")
