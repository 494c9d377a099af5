import math

import torch

import regard


def by_hand(x, module):
    """Equations 2 to 4, number by number."""
    w1, b1 = module.reduce.weight.tolist(), module.reduce.bias.tolist()
    w2, b2 = module.expand.weight.tolist(), module.expand.bias.tolist()
    out = torch.empty_like(x)
    for n in range(x.shape[0]):
        z = [math.fsum(c.flatten().tolist()) / c.numel() for c in x[n]]
        hidden = [
            max(0.0, b + sum(w * v for w, v in zip(row, z, strict=True)))
            for row, b in zip(w1, b1, strict=True)
        ]
        for c, (row, b) in enumerate(zip(w2, b2, strict=True)):
            logit = b + sum(w * h for w, h in zip(row, hidden, strict=True))
            out[n, c] = x[n, c] / (1 + math.exp(-logit))
    return out


def test_it_is_the_papers_equation(moved, drawn):
    module, x = moved(regard.get("se", 6, reduction=2)), drawn(2, 6, 3, 5)
    torch.testing.assert_close(module(x), by_hand(x, module), rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count, table):
    made = [count(regard.get("se", c, device="meta")) for c in table]
    assert made == [580, 2184, 8464, 33312, 132160, 526464]
    made = [count(regard.get("se", c, bias=False, device="meta")) for c in table]
    assert made == [512, 2048, 8192, 32768, 131072, 524288]


def test_a_zero_second_layer_gives_one_half(drawn):
    module, x = regard.get("se", 16).double(), drawn(2, 16, 4, 4)
    torch.nn.init.zeros_(module.expand.weight)
    torch.nn.init.zeros_(module.expand.bias)
    assert torch.equal(module(x), 0.5 * x)


def test_fewer_channels_than_the_reduction_keep_one_unit(moved, drawn):
    module = moved(regard.get("se", 8, reduction=16))
    assert module.reduce.out_features == 1
    x = 30 * drawn(1, 8, 4, 4)
    assert not torch.allclose(module(x) / x, module(-x) / -x)


def test_only_the_mean_over_space_counts(moved, drawn):
    module, x = moved(regard.get("se", 8)), drawn(2, 8, 4, 6)
    gate = (module(x) / x)[..., :1, :1]
    torch.testing.assert_close(module(x.flip(2, 3)), module(x).flip(2, 3))
    torch.testing.assert_close(module(x), gate * x)


def test_any_number_of_dimensions_is_one_row_of_pixels(moved, drawn):
    module, x = moved(regard.get("se", 8)), drawn(2, 8, 3, 4, 5)
    flat = module(x.flatten(2))
    torch.testing.assert_close(module(x).flatten(2), flat)
    torch.testing.assert_close(module(x.flatten(3)).flatten(2), flat)
