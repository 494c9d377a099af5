import math

import pytest
import torch
from torch import nn

import regard
from regard.errors import RegardError

SCORES = ("scaled_dot", "dot", "cosine", "bilinear", "additive")


def by_hand(query, source, module):
    """Each head by loops over queries and keys, then the output projection."""
    heads = torch.zeros_like(query)
    width = query.shape[2] // module.heads
    for b in range(query.shape[0]):
        q, k, v = (
            x @ layer.weight.T
            for x, layer in (
                (query[b], module.query), (source[b], module.key), (source[b], module.value),
            )
        )  # fmt: skip
        for h in range(module.heads):
            part = slice(h * width, (h + 1) * width)
            for i, row in enumerate(q[:, part].tolist()):
                raised = [
                    math.exp(sum(x * y for x, y in zip(row, key, strict=True)) / math.sqrt(width))
                    for key in k[:, part].tolist()
                ]
                for weight, value in zip(raised, v[:, part], strict=True):
                    heads[b, i, part] += weight / sum(raised) * value
    return heads @ module.output.weight.T


def twin_of(theirs, dim, heads):
    """Our module with the weights of ``nn.MultiheadAttention``."""
    ours = regard.get("multihead", dim, heads=heads, bias=True).double()
    ours.train(theirs.training)
    for i, layer in enumerate((ours.query, ours.key, ours.value)):
        layer.weight.data = theirs.in_proj_weight.data[i * dim : (i + 1) * dim]
        layer.bias.data = theirs.in_proj_bias.data[i * dim : (i + 1) * dim]
    ours.output.load_state_dict(theirs.out_proj.state_dict())
    return ours


@pytest.fixture
def pair():
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(16, 4, batch_first=True).double()
    for parameter in theirs.parameters():  # its biases begin at zero
        parameter.data += 0.3 * torch.randn_like(parameter)
    return theirs, twin_of(theirs, 16, 4)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_it_is_the_papers_equation(heads, moved, drawn):
    module = moved(regard.get("multihead", 4, heads=heads))
    query, source = drawn(2, 3, 4), drawn(2, 5, 4, seed=2)
    wanted = by_hand(query, source, module)
    torch.testing.assert_close(module(query, source), wanted, rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count):
    assert count(regard.get("multihead", 512, device="meta")) == 1_048_576
    assert count(regard.get("multihead", 512, bias=True, device="meta")) == 1_050_624
    assert count(nn.MultiheadAttention(512, 8, device="meta")) == 1_050_624
    two = regard.get("multihead", 512, source_dim=256, device="meta")
    assert count(two) == 2 * 512**2 + 2 * 512 * 256


def test_it_is_pytorchs_own_with_the_same_weights(pair, drawn):
    theirs, ours = pair
    query, source = drawn(2, 5, 16), drawn(2, 7, 16, seed=2)
    wanted, _ = theirs(query, source, source, need_weights=False)
    torch.testing.assert_close(ours(query, source), wanted)


def test_its_masks_are_the_opposite_of_pytorchs(pair, drawn):
    theirs, ours = pair
    x, real = drawn(2, 5, 16), torch.tensor([[True] * 5, [True, True, True, False, False]])
    wanted, _ = theirs(x, x, x, key_padding_mask=~real)
    torch.testing.assert_close(ours(x, mask=real), wanted)
    future = torch.ones(5, 5, dtype=torch.bool).triu(1)
    wanted, _ = theirs(x, x, x, attn_mask=future)
    torch.testing.assert_close(ours(x, causal=True), wanted)
    torch.testing.assert_close(ours(x, mask=~future.expand(2, 5, 5)), wanted)
    each = drawn(8, 5, 5, seed=3) > 1  # a mask of its own for every head
    each[..., 0] = False
    wanted, _ = theirs(x, x, x, attn_mask=each)
    torch.testing.assert_close(ours(x, mask=~each.view(2, 4, 5, 5)), wanted)


def test_gradients_are_those_of_pytorch(pair, drawn):
    theirs, ours = pair
    x = drawn(2, 5, 16)
    theirs(x, x, x)[0].square().sum().backward()
    ours(x).square().sum().backward()
    got = torch.cat([layer.weight.grad for layer in (ours.query, ours.key, ours.value)])
    torch.testing.assert_close(got, theirs.in_proj_weight.grad)
    torch.testing.assert_close(ours.output.bias.grad, theirs.out_proj.bias.grad)


@pytest.mark.parametrize("score", SCORES)
def test_one_head_with_a_unit_output_is_self_attention(score, moved, drawn):
    module = moved(regard.get("multihead", 4, heads=1, score=score))
    alone, x = regard.get("self", 4, score=score).double(), drawn(2, 5, 4)
    state = module.state_dict()
    del state["output.weight"]
    alone.load_state_dict(state)
    module.output.weight.data = torch.eye(4).double()
    torch.testing.assert_close(module(x), alone(x))


@pytest.mark.parametrize("score", SCORES)
def test_a_map_attends_over_its_pixels(score, moved, drawn):
    module, x = moved(regard.get("multihead", 4, heads=2, score=score)), drawn(2, 4, 3, 5)
    tokens = x.flatten(2).transpose(1, 2)
    wanted = module(tokens).transpose(1, 2).unflatten(2, (3, 5))
    torch.testing.assert_close(module(x), wanted)
    volume = x.unsqueeze(2)
    torch.testing.assert_close(module(volume).squeeze(2), wanted)


@pytest.mark.parametrize("score", SCORES)
def test_another_order_of_tokens_is_followed(score, moved, drawn):
    module, x = moved(regard.get("multihead", 4, heads=2, score=score)), drawn(2, 6, 4)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(module(x[:, order]), module(x)[:, order])


@pytest.mark.parametrize("score", ["scaled_dot", "additive"])
def test_weights_are_dropped_in_training_only(score, drawn):
    module = regard.get("multihead", 4, heads=2, score=score, dropout=0.5).double()
    x = drawn(2, 6, 4)
    assert torch.equal(module.eval()(x), module.eval()(x))
    assert not torch.equal(module.train()(x), module.train()(x))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"heads": 3}, "3 heads do not divide a width of 16; these do: 1, 2, 4, 8, 16"),
        ({"heads": 0}, "heads is 0"),
        ({"source_dim": 0}, "source_dim is 0"),
        ({"score": "adittive"}, "no score is called 'adittive'; nearest: additive"),
        ({"dropout": 1.5}, "dropout is 1.5"),
        ({"dropout": -0.1}, "dropout is -0.1"),
    ],
)
def test_what_cannot_be_built_is_an_error(given, words):
    with pytest.raises(RegardError, match=words):
        regard.get("multihead", 16, **given)


def test_values_of_another_number_or_width_than_the_keys_are_an_error(drawn):
    module = regard.get("multihead", 16).double()
    with pytest.raises(RegardError, match=r"keys \(2, 8, 4, 2\) and values \(2, 8, 3, 2\)"):
        module(drawn(2, 5, 16), drawn(2, 4, 16), drawn(2, 3, 16))
    with pytest.raises(RegardError, match=r"multihead \(values\) was built for 16"):
        module(drawn(2, 5, 16), drawn(2, 4, 16), drawn(2, 4, 12))
