import math

import pytest
import torch

import regard
from regard.errors import RegardError


def by_hand(x, module):
    """One sample [N, C]: each head's matrix of channels, entry by entry."""
    tokens, channels = x.shape
    width = channels // module.heads
    qkv = x @ module.qkv.weight.T + module.qkv.bias
    out = torch.empty_like(x)
    for h in range(module.heads):
        columns = [
            [qkv[:, part * channels + h * width + c].tolist() for c in range(width)]
            for part in range(3)
        ]
        for i, q in enumerate(columns[0]):
            raised = []
            for k in columns[1]:
                lengths = math.sqrt(sum(a * a for a in q)) * math.sqrt(sum(b * b for b in k))
                cosine = sum(a * b for a, b in zip(q, k, strict=True)) / lengths
                raised.append(math.exp(module.temperature[h].item() * cosine))
            for n in range(tokens):
                total = sum(r * v[n] for r, v in zip(raised, columns[2], strict=True))
                out[n, h * width + i] = total / sum(raised)
    return out @ module.output.weight.T + module.output.bias


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_it_is_the_papers_equation(heads, moved, drawn):
    module, x = moved(regard.get("xca", 8, heads=heads)), drawn(2, 5, 8)
    wanted = torch.stack([by_hand(sample, module) for sample in x])
    torch.testing.assert_close(module(x), wanted, rtol=1e-9, atol=1e-9)


def test_the_number_of_parameters(count):
    assert count(regard.get("xca", 128, heads=4)) == 4 * 128**2 + 4 * 128 + 4
    assert count(regard.get("xca", 128, heads=4, bias=False)) == 4 * 128**2 + 128 + 4


def test_the_temperature_starts_at_one():
    assert torch.equal(regard.get("xca", 16).temperature, torch.ones(8, 1, 1))


def test_a_longer_query_or_key_channel_changes_nothing(moved, drawn):
    module, x = moved(regard.get("xca", 8, heads=2)), drawn(2, 5, 8)
    wanted = module(x)
    scale = torch.linspace(0.5, 3, 16).double()
    module.qkv.weight.data[:16] *= scale[:, None]
    module.qkv.bias.data[:16] *= scale
    torch.testing.assert_close(module(x), wanted)


def test_tokens_meet_only_in_the_matrix_of_channels(moved, drawn):
    module, x = moved(regard.get("xca", 8, heads=2)), drawn(1, 6, 8)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(module(x[:, order]), module(x)[:, order])
    twice = torch.cat((x, x), 1)
    torch.testing.assert_close(module(twice), torch.cat((module(x), module(x)), 1))


def test_a_map_is_its_pixels(moved, drawn):
    module, x = moved(regard.get("xca", 8, heads=2)), drawn(2, 8, 3, 4)
    wanted = module(x.flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, (3, 4))
    torch.testing.assert_close(module(x), wanted)


def test_padding_is_left_out_and_gives_zeros(moved, drawn):
    module, x = moved(regard.get("xca", 8, heads=2)), drawn(2, 6, 8)
    mask = torch.arange(6).expand(2, 6) < 4
    out = module(x, mask=mask)
    torch.testing.assert_close(out[:, :4], module(x[:, :4]))
    assert not out[:, 4:].any()


@pytest.mark.parametrize("shape", [(2, 6, 6), (2, 5), (1, 6)])
def test_a_mask_of_another_shape_is_an_error(shape, drawn):
    module, x = regard.get("xca", 8).double(), drawn(2, 6, 8)
    with pytest.raises(RegardError, match=r"no scores of pairs .* \[2, 6\]"):
        module(x, mask=torch.ones(shape, dtype=torch.bool))
    with pytest.raises(RegardError, match="boolean"):
        module(x, mask=torch.ones(2, 6))


def test_heads_that_do_not_divide_the_width_are_an_error():
    with pytest.raises(RegardError, match="3 heads do not divide a width of 16"):
        regard.get("xca", 16, heads=3)
