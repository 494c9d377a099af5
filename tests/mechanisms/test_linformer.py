import math

import pytest
import torch

import regard
from regard.errors import RegardError


def by_hand(query, source, module):
    """E and F times the source, projections of that, softmax over the k keys left."""
    width = query.shape[2] // module.heads
    heads = torch.zeros_like(query)

    def compressed(tokens, layer):
        return torch.stack(
            [sum(w * t for w, t in zip(row, tokens, strict=False)) for row in layer.weight]
        )

    for b in range(query.shape[0]):
        q = query[b] @ module.query.weight.T + module.query.bias
        k = compressed(source[b], module.compress_key) @ module.key.weight.T + module.key.bias
        v = compressed(source[b], module.compress_value) @ module.value.weight.T
        v = v + module.value.bias
        for h in range(module.heads):
            part = slice(h * width, (h + 1) * width)
            for i, row in enumerate(q[:, part].tolist()):
                raised = [
                    math.exp(sum(x * y for x, y in zip(row, key, strict=True)) / math.sqrt(width))
                    for key in k[:, part].tolist()
                ]
                for weight, value in zip(raised, v[:, part], strict=True):
                    heads[b, i, part] += weight / sum(raised) * value
    return heads @ module.output.weight.T + module.output.bias


@pytest.mark.parametrize("keys", [4, 7])
def test_it_is_the_papers_equation_for_a_full_and_a_shorter_sequence(keys, moved, drawn):
    module = moved(regard.get("linformer", 6, heads=3, length=7, rank=2))
    query, source = drawn(2, 3, 6), drawn(2, keys, 6, seed=2)
    wanted = by_hand(query, source, module)
    torch.testing.assert_close(module(query, source), wanted, rtol=1e-9, atol=1e-9)


def test_with_unit_projections_it_is_multi_head_attention(moved, drawn):
    module, x = moved(regard.get("linformer", 4, heads=2, length=5, rank=5)), drawn(2, 5, 4)
    plain, state = regard.get("multihead", 4, heads=2, bias=True).double(), module.state_dict()
    for name in ("compress_key.weight", "compress_value.weight"):
        state.pop(name).copy_(torch.eye(5))
    plain.load_state_dict(state)
    torch.testing.assert_close(module(x), plain(x))


def test_the_number_of_parameters(count):
    made = regard.get("linformer", 512, length=512, rank=128, device="meta")
    assert count(made) == 4 * 512**2 + 4 * 512 + 2 * 512 * 128


def test_it_begins_as_fairseqs():
    torch.manual_seed(0)
    module = regard.get("linformer", 64)
    limit = math.sqrt(6 / (64 + 64))
    assert limit * 0.95 < module.output.weight.abs().max() <= limit
    assert 0.95 * limit / 2**0.5 < module.key.weight.abs().max() <= limit / 2**0.5
    limit = math.sqrt(6 / (512 + 128)) / 2**0.5
    assert 0.95 * limit < module.compress_key.weight.abs().max() <= limit
    assert not module.output.bias.any()


def test_what_it_cannot_do_is_an_error(drawn):
    module, x = regard.get("linformer", 8, length=5, rank=2).double(), drawn(2, 6, 8)
    with pytest.raises(RegardError, match=r"at most 5 keys; got 6\. Build it with length=6"):
        module(x)
    with pytest.raises(RegardError, match="linformer makes no score of each query and key"):
        module(x[:, :5], mask=torch.ones(2, 5, 5, dtype=torch.bool))
    for given in ({"length": 0}, {"rank": 0}):
        with pytest.raises(RegardError, match=next(iter(given))):
            regard.get("linformer", 8, **given)
