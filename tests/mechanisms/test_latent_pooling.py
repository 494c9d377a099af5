import math

import pytest
import torch

import regard
from regard.errors import RegardError
from regard.maps import record


def layered(rows, layer):
    weight, bias = layer.weight.tolist(), layer.bias.tolist()
    return [
        [
            b + sum(w * v for w, v in zip(line, row, strict=True))
            for line, b in zip(weight, bias, strict=True)
        ]
        for row in rows
    ]


def normed(row, norm):
    mean = sum(row) / len(row)
    spread = math.sqrt(sum((v - mean) ** 2 for v in row) / len(row) + norm.eps)
    weight, bias = norm.weight.tolist(), norm.bias.tolist()
    return [(v - mean) / spread * w + b for v, w, b in zip(row, weight, bias, strict=True)]


def by_hand(tokens, module):
    """One sample ``[N, D]``: the heads one after the other, weights written out."""
    rows, seeds = tokens.tolist(), module.latents[0].tolist()
    if module.paper:
        rows = [[max(0.0, v) for v in row] for row in layered(rows, module.before)]
    queries, keys, values = (
        layered(r, layer)
        for r, layer in ((seeds, module.query), (rows, module.key), (rows, module.value))
    )
    dim, width = module.dim, module.dim // module.heads
    found = [[0.0] * dim for _ in seeds]
    for h in range(module.heads):
        part = range(h * width, (h + 1) * width)
        for i, query in enumerate(queries):
            raised = [math.exp(sum(query[d] * key[d] for d in part) / dim**0.5) for key in keys]
            for d in part:
                shares = zip(raised, values, strict=True)
                found[i][d] = sum(r * value[d] for r, value in shares) / sum(raised)
    if module.paper:
        found = layered(found, module.output)
    first = seeds if module.paper else queries
    out = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(first, found, strict=True)]
    if module.norms is not None:
        out = [normed(row, module.norms[0]) for row in out]
    fed = layered(out, module.feed)
    out = [
        [a + max(0.0, b) for a, b in zip(*pair, strict=True)] for pair in zip(out, fed, strict=True)
    ]
    if module.norms is not None:
        out = [normed(row, module.norms[1]) for row in out]
    return torch.tensor(out, dtype=torch.float64)


@pytest.mark.parametrize(
    "given", [{}, {"norm": True}, {"variant": "paper"}, {"variant": "paper", "norm": False}]
)
@pytest.mark.parametrize("latents", [1, 3])
def test_it_is_the_set_transformers_pooling(given, latents, moved, drawn):
    module = moved(regard.get("latent_pooling", 4, 2, latents, **given))
    x = drawn(2, 5, 4)
    out = module(x)
    assert out.shape == ((2, 4) if latents == 1 else (2, 3, 4))
    for n in range(2):
        wanted = by_hand(x[n], module)
        torch.testing.assert_close(out[n].view(latents, 4), wanted, rtol=1e-9, atol=1e-9)


def test_the_numbers_of_parameters(count):
    assert count(regard.get("latent_pooling", 128, device="meta")) == 4 * 128 * 129 + 128
    normed = regard.get("latent_pooling", 128, latents=4, norm=True, device="meta")
    assert count(normed) == 4 * 128 * 129 + 4 * 128 + 4 * 128
    paper = regard.get("latent_pooling", 128, variant="paper", device="meta")
    assert count(paper) == 6 * 128 * 129 + 128 + 4 * 128


@pytest.mark.parametrize("variant", ["official", "paper"])
def test_a_sample_of_padding_alone_gives_zeros_and_others_are_untouched(variant, moved, drawn):
    module, x = moved(regard.get("latent_pooling", 4, 2, 3, variant=variant)), drawn(3, 5, 4)
    mask = torch.tensor([[True] * 5, [True, True, False, False, False], [False] * 5])
    out = module(x, mask)
    torch.testing.assert_close(out[0], module(x[:1])[0])
    torch.testing.assert_close(out[1], module(x[1:2, :2])[0])
    assert not out[2].any()


def test_equal_tokens_are_pooled_to_what_one_of_them_gives(moved, drawn):
    module, x = moved(regard.get("latent_pooling", 8)), drawn(2, 1, 8)
    torch.testing.assert_close(module(x.expand(-1, 7, -1)), module(x))


def test_a_map_is_pooled_over_its_pixels(moved, drawn):
    module, x = moved(regard.get("latent_pooling", 8)), drawn(2, 8, 3, 5)
    torch.testing.assert_close(module(x), module(x.flatten(2).transpose(1, 2)))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"heads": 3}, "3 heads do not divide a width of 16; these do: 1, 2, 4, 8, 16"),
        ({"latents": 0}, "latents is 0"),
        ({"variant": "perceiver"}, "variant is 'perceiver'"),
    ],
)
def test_what_cannot_be_built_is_an_error(given, words):
    with pytest.raises(RegardError, match=words):
        regard.get("latent_pooling", 16, **given)


def test_a_mask_of_pairs_is_an_error(drawn):
    module = regard.get("latent_pooling", 8).double()
    with pytest.raises(RegardError, match=r"takes a mask \[B, N\].*got \(2, 1, 5\)"):
        module(drawn(2, 5, 8), torch.ones(2, 1, 5, dtype=torch.bool))


def test_what_each_latent_looks_at_is_recorded(moved, drawn):
    module, x = moved(regard.get("latent_pooling", 8, 2, 3)), drawn(2, 5, 8)
    mask = torch.arange(5).expand(2, -1) < 4
    with record(module) as found:
        module(x, mask)
    (weights,) = (m.values for m in found if m.kind == "weights")
    assert weights.shape == (2, 2, 3, 5)
    assert not weights[..., 4].any()
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights.sum(-1)))
