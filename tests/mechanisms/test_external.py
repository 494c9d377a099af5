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


def memories_by_hand(vectors, module):
    """Double normalisation, then the second memory, for all positions of one head."""
    logits = [affine(module.key, v) for v in vectors]
    over_positions = [softmax(unit) for unit in zip(*logits, strict=True)]
    found = []
    for i in range(len(vectors)):
        weights = [unit[i] for unit in over_positions]
        found.append(affine(module.value, [w / (1e-9 + math.fsum(weights)) for w in weights]))
    return found


def by_hand(x, module):
    out = torch.empty_like(x)
    norm = module.norm
    for n, sample in enumerate(x):
        places = sample.flatten(1).T.tolist()
        found = memories_by_hand([affine(module.reduce, p) for p in places], module)
        for i, place in enumerate(places):
            for c, z in enumerate(affine(module.expand, found[i])):
                spread = math.sqrt(norm.running_var[c].item() + 1e-5)
                scaled = norm.weight[c].item() * (z - norm.running_mean[c].item()) / spread
                out[n, c].view(-1)[i] = max(0.0, place[c] + scaled + norm.bias[c].item())
    return out


def tokens_by_hand(x, module):
    out = torch.empty_like(x)
    for n, sample in enumerate(x):
        wide = [affine(module.reduce, t) for t in sample.tolist()]
        width = len(wide[0]) // module.heads
        found = [[] for _ in wide]
        for h in range(module.heads):
            head = [w[h * width : (h + 1) * width] for w in wide]
            for i, values in enumerate(memories_by_hand(head, module)):
                found[i] += values
        out[n] = torch.tensor([affine(module.output, f) for f in found], dtype=x.dtype)
    return out


def test_it_is_the_official_equation(moved, drawn):
    module, x = moved(regard.get("external", 4, 5)), drawn(2, 4, 3, 4)
    torch.testing.assert_close(module(x), by_hand(x, module), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("given", [{"heads": 1}, {"heads": 2, "expansion": 3}])
def test_the_token_form_is_the_official_equation(given, moved, drawn):
    module, x = moved(regard.get("external_multihead", 4, units=5, **given)), drawn(2, 6, 4)
    torch.testing.assert_close(module(x), tokens_by_hand(x, module), rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count, table):
    made = [count(regard.get("external", c, device="meta")) for c in table]
    assert made == [16576, 49536, 164608, 591360, 2231296, 8656896]
    made = [count(regard.get("external_multihead", c, device="meta")) for c in table]
    assert made == [34184, 133840, 529760, 2108032, 8410304, 33597760]
    core = regard.get("external", 512)
    assert core.key.weight.numel() + core.value.weight.numel() == 65536


def test_the_second_memory_begins_as_the_transpose_of_the_first_but_is_its_own():
    module = regard.get("external", 8, 4)
    assert torch.equal(module.value.weight, module.key.weight.transpose(0, 1))
    module.key.weight.data.zero_()
    assert module.value.weight.any()


def test_a_positions_weights_sum_to_one_over_the_units(moved, drawn):
    module, x = moved(regard.get("external", 8, 5)), drawn(2, 8, 4, 3)
    module.key.weight.data *= 0.1  # so that no sum is near the 1e-9 that is added to it
    torch.nn.init.ones_(module.value.weight)  # every channel gets the sum of the weights
    wanted = module.norm(module.expand(torch.ones(2, 8, 1, 1).double()))
    torch.testing.assert_close(module(x), torch.relu(x + wanted))


def test_the_identity_start_leaves_out_the_last_rectifier(drawn):
    x = drawn(2, 8, 4, 3)
    assert torch.equal(regard.get("external", 8, start="identity").double()(x), x)
    assert (regard.get("external", 8).double().eval()(x) >= 0).all()
    tokens = drawn(2, 5, 8)
    started = regard.get("external_multihead", 8, start="identity").double()
    assert torch.equal(started(tokens), tokens)


def test_another_order_of_pixels_is_followed(moved, drawn):
    module, x = moved(regard.get("external", 8)), drawn(2, 8, 6)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(module(x[..., order]), module(x)[..., order])


def test_heads_share_the_memories(moved, drawn):
    module, x = moved(regard.get("external_multihead", 4, heads=2, expansion=1)), drawn(1, 5, 4)
    before = module(x)
    module.reduce.weight.data = module.reduce.weight.data.roll(2, 0)
    module.reduce.bias.data = module.reduce.bias.data.roll(2, 0)
    module.output.weight.data = module.output.weight.data.roll(2, 1)
    torch.testing.assert_close(module(x), before)


def test_a_mask_for_pairs_is_refused_because_tokens_do_not_see_each_other(drawn):
    module, x = regard.get("external_multihead", 16).double(), drawn(2, 5, 16)
    with pytest.raises(RegardError, match=r"takes a boolean mask \[B, N\]"):
        module(x, mask=torch.ones(2, 5, 5, dtype=torch.bool))
    with pytest.raises(RegardError, match=r"got torch.bool \(2, 4\)"):
        module(x, mask=torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(RegardError, match=r"torch.float64"):
        module(x, mask=torch.ones(2, 5).double())


@pytest.mark.parametrize("given", [{"heads": 3}, {"heads": 0}, {"units": 0}, {"expansion": 0}])
def test_what_cannot_be_built_is_an_error(given):
    with pytest.raises(RegardError, match=next(iter(given))):
        regard.get("external_multihead", 64, **given)


def test_the_input_can_be_added_to_tokens_from_the_papers_start_too(moved, drawn):
    plain, added = (moved(regard.get("external_multihead", 16, residual=r)) for r in (None, True))
    x = drawn(2, 5, 16)
    torch.testing.assert_close(added(x), x + plain(x))
