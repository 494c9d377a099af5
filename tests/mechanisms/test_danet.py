import math

import pytest
import torch

import regard


def inner(a, b):
    return math.fsum(p * q for p, q in zip(a, b, strict=True))


def affine(layer, pixel):
    rows, biases = layer.weight.flatten(1).tolist(), layer.bias.tolist()
    return [b + inner(row, pixel) for row, b in zip(rows, biases, strict=True)]


def softmax(logits):
    raised = [math.exp(v - max(logits)) for v in logits]
    return [r / math.fsum(raised) for r in raised]


def position_by_hand(x, module):
    out = torch.empty_like(x)
    for n, sample in enumerate(x):
        pixels = sample.flatten(1).T.tolist()
        queries, keys, values = (
            [affine(layer, p) for p in pixels] for layer in (module.query, module.key, module.value)
        )
        for i, query in enumerate(queries):
            weights = softmax([inner(query, key) for key in keys])
            for c, column in enumerate(zip(*values, strict=True)):
                gathered = module.gamma.item() * inner(weights, column)
                out[n, c].view(-1)[i] = gathered + pixels[i][c]
    return out


def channel_by_hand(x, gamma, variant):
    """The official code's softmax(max − x·x) or the paper's softmax(x·x), channel by channel."""
    out = torch.empty_like(x)
    for n, sample in enumerate(x):
        rows = sample.flatten(1).tolist()
        for c, row in enumerate(rows):
            energy = [inner(row, other) for other in rows]
            if variant == "official":
                energy = [max(energy) - e for e in energy]
            weights = softmax(energy)
            for i, column in enumerate(zip(*rows, strict=True)):
                out[n, c].view(-1)[i] = gamma * inner(weights, column) + row[i]
    return out


def test_position_attention_is_the_papers_equation(moved, drawn):
    module, x = moved(regard.get("danet_position", 4, 2)), drawn(2, 4, 3, 5)
    wanted = position_by_hand(x, module)
    torch.testing.assert_close(module(x), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("variant", ["official", "paper"])
def test_channel_attention_is_the_equation_of_its_variant(variant, moved, drawn):
    module, x = moved(regard.get("danet_channel", 4, variant=variant)), drawn(2, 4, 3, 2)
    wanted = channel_by_hand(x, module.gamma.item(), variant)
    torch.testing.assert_close(module(x), wanted, rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count, table):
    made = [count(regard.get("danet_position", c, device="meta")) for c in table]
    assert made == [5201, 20641, 82241, 328321, 1312001, 5245441]
    assert [count(regard.get("danet_channel", c)) for c in table] == [1] * 6


@pytest.mark.parametrize("name", ["danet_position", "danet_channel"])
@pytest.mark.parametrize("start", ["paper", "identity"])
def test_both_begin_as_the_identity(name, start, drawn):
    x = drawn(2, 8, 4, 3)
    assert torch.equal(regard.get(name, 8, start=start).double()(x), x)


def test_the_papers_channels_attend_to_their_like_and_the_codes_to_the_unlike(drawn):
    row = 3 * drawn(1, 1, 4, 4)
    x = torch.cat([row, row, -row], 1)
    outs = {}
    for variant in ("paper", "official"):
        module = regard.get("danet_channel", 3, variant=variant).double()
        torch.nn.init.ones_(module.gamma)
        outs[variant] = (module(x) - x)[:, :1]
    torch.testing.assert_close(outs["paper"], row)
    torch.testing.assert_close(outs["official"], -row)


def test_position_attention_follows_another_order_of_pixels(moved, drawn):
    module, x = moved(regard.get("danet_position", 8)), drawn(2, 8, 6)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(module(x[..., order]), module(x)[..., order])


def test_channel_attention_follows_another_order_of_channels(moved, drawn):
    module, x = moved(regard.get("danet_channel", 6)), drawn(2, 6, 3, 3)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(module(x[:, order]), module(x)[:, order])


@pytest.mark.parametrize("name", ["danet_position", "danet_channel"])
def test_any_number_of_dimensions_is_one_row_of_pixels(name, moved, drawn):
    module, x = moved(regard.get(name, 8)), drawn(2, 8, 3, 4, 5)
    torch.testing.assert_close(module(x).flatten(2), module(x.flatten(2)))
