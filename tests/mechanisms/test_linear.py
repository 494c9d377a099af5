import math

import pytest
import torch

import regard
from regard.errors import RegardError


def feature(x):
    return x + 1 if x > 0 else math.exp(x)


def by_hand(query, source, module, causal=False):
    """Σ_j (φ(q)·φ(k)) v / (Σ_j φ(q)·φ(k) + ε), each pair of query and key by itself."""
    width = query.shape[2] // module.heads
    heads = torch.zeros_like(query)
    for b in range(query.shape[0]):
        q, k, v = (
            x @ layer.weight.T + layer.bias
            for x, layer in (
                (query[b], module.query), (source[b], module.key), (source[b], module.value),
            )
        )  # fmt: skip
        for h in range(module.heads):
            part = slice(h * width, (h + 1) * width)
            for i, row in enumerate(q[:, part].tolist()):
                keys = k[: i + 1, part] if causal else k[:, part]
                scores = [
                    sum(feature(x) * feature(y) for x, y in zip(row, key, strict=True))
                    for key in keys.tolist()
                ]
                for score, value in zip(scores, v[:, part], strict=False):
                    heads[b, i, part] += score / (sum(scores) + 1e-6) * value
    return heads @ module.output.weight.T + module.output.bias


def test_it_is_the_papers_equation(moved, drawn):
    module = moved(regard.get("linear", 6, heads=3))
    query, source = drawn(2, 3, 6), drawn(2, 5, 6, seed=2)
    wanted = by_hand(query, source, module)
    torch.testing.assert_close(module(query, source), wanted, rtol=1e-9, atol=1e-9)


def test_causal_sums_are_those_of_the_keys_so_far(moved, drawn):
    module, x = moved(regard.get("linear", 6, heads=3)), drawn(2, 5, 6)
    wanted = by_hand(x, x, module, causal=True)
    torch.testing.assert_close(module(x, causal=True), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("tokens", [63, 64, 65, 150])
def test_causal_blocks_are_joined(tokens, moved, drawn):
    """Each token alone sees what the whole sequence up to it gives without causal."""
    module, x = moved(regard.get("linear", 4, heads=2)), drawn(1, tokens, 4)
    out = module(x, causal=True)
    for i in (0, 62, tokens - 1):
        torch.testing.assert_close(out[:, i], module(x[:, : i + 1])[:, i])


def test_causal_and_padding_go_together(moved, drawn):
    module, x = moved(regard.get("linear", 4, heads=2)), drawn(2, 70, 4)
    mask = torch.arange(70).expand(2, -1) >= 3  # padding in front
    out = module(torch.where(mask.unsqueeze(2), x, 1e3), mask=mask, causal=True)
    torch.testing.assert_close(out[:, 3:], module(x[:, 3:], causal=True))
    assert not out[:, :3].any()


def test_the_number_of_parameters(count):
    assert count(regard.get("linear", 512, device="meta")) == 4 * 512**2 + 4 * 512
    assert count(regard.get("linear", 512, bias=False, device="meta")) == 4 * 512**2


def test_another_order_of_tokens_is_followed(moved, drawn):
    module, x = moved(regard.get("linear", 4, heads=2)), drawn(2, 6, 4)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(module(x[:, order]), module(x)[:, order])


def test_what_it_cannot_do_is_an_error(drawn):
    module, x = regard.get("linear", 8).double(), drawn(2, 5, 8)
    with pytest.raises(RegardError, match=r"linear makes no score of each query and key"):
        module(x, mask=torch.ones(2, 5, 5, dtype=torch.bool))
    with pytest.raises(RegardError, match=r"here \[2, 5\]; got torch.bool \[2, 4\]"):
        module(x, mask=torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(RegardError, match="5 queries and 4 keys"):
        module(x, x[:, :4], causal=True)
    with pytest.raises(RegardError, match="3 heads do not divide"):
        regard.get("linear", 16, heads=3)
