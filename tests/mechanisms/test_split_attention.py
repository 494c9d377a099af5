import math

import pytest
import torch
import torch.nn.functional as F

import regard
from regard.errors import RegardError


def normalised(value, norm, c):
    spread = math.sqrt(norm.running_var[c].item() + 1e-5)
    normal = (value - norm.running_mean[c].item()) / spread
    return norm.weight[c].item() * normal + norm.bias[c].item()


def grouped(values, layer, groups):
    """A pointwise layer in groups, number by number."""
    weight, bias = layer.weight.flatten(1).tolist(), layer.bias.tolist()
    rows, columns = len(weight) // groups, len(values) // groups
    return [
        bias[o] + sum(w * values[o // rows * columns + i] for i, w in enumerate(row))
        for o, row in enumerate(weight)
    ]


def by_hand(x, module, radix, groups):
    """The choice among the maps, with the place of every number in the layers written out."""
    channels, out = x.shape[1], torch.zeros_like(x)
    made = F.conv2d(x, module.conv.weight, padding=1, groups=groups * radix)
    size = channels // groups
    for n, sample in enumerate(made):
        planes = [normalised(p, module.norm, c).clamp(min=0) for c, p in enumerate(sample)]
        means = [
            math.fsum(planes[r * channels + c].sum().item() for r in range(radix)) / x[0, 0].numel()
            for c in range(channels)
        ]
        hidden = grouped(means, module.reduce, groups)
        hidden = [max(0.0, normalised(h, module.hidden_norm, i)) for i, h in enumerate(hidden)]
        logits = grouped(hidden, module.select, groups)
        for c in range(channels):
            k, i = divmod(c, size)
            own = [logits[k * radix * size + r * size + i] for r in range(radix)]
            powers = [math.exp(v) for v in own]
            total = sum(powers) if radix > 1 else 1 + powers[0]
            for r, power in enumerate(powers):
                out[n, c] += power / total * planes[r * channels + c]
    return out


@pytest.mark.parametrize(("radix", "cardinality"), [(1, 1), (2, 1), (2, 2), (3, 2), (1, 4)])
def test_it_is_the_papers_equation(radix, cardinality, moved, drawn):
    module = moved(regard.get("split_attention", 12, radix=radix, cardinality=cardinality))
    with torch.no_grad():
        x = drawn(2, 12, 3, 4)
        wanted = by_hand(x, module, radix, cardinality)
        torch.testing.assert_close(module(x), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("radix", "groups"), [(2, 1), (4, 2), (1, 1)])
def test_the_numbers_of_parameters_are_those_of_the_official_layers(radix, groups, count, table):
    for c in table:
        hidden = max(c * radix // 4, 32)
        conv = 9 * c * radix * (c // (groups * radix)) + 2 * c * radix
        reduce = hidden * (c // groups) + hidden + 2 * hidden
        select = c * radix * (hidden // groups) + c * radix
        options = {"radix": radix, "cardinality": groups, "device": "meta"}
        assert count(regard.get("split_attention", c, **options)) == conv + reduce + select


def test_the_shares_of_the_maps_sum_to_one(moved, drawn):
    module = moved(regard.get("split_attention", 12, radix=3, cardinality=2))
    shares = module.excite(drawn(2, 12, 1, 1))
    assert shares.shape == (2, 3, 12)
    torch.testing.assert_close(shares.sum(1), torch.ones(2, 12, dtype=torch.float64))


def test_a_zero_choice_is_the_mean_of_the_maps(moved, drawn):
    module, x = moved(regard.get("split_attention", 8)), drawn(2, 8, 5, 4)
    for parameter in module.select.parameters():
        torch.nn.init.zeros_(parameter)
    maps = torch.relu(module.norm(module.conv(x)))
    torch.testing.assert_close(module(x), (maps[:, :8] + maps[:, 8:]) / 2)


@pytest.mark.parametrize(
    "given", [{"cardinality": 3}, {"radix": 0}, {"kernel_size": 4}, {"reduction": 0}, {"dims": 4}]
)
def test_what_cannot_be_built_is_an_error(given):
    with pytest.raises(RegardError, match=next(iter(given))):
        regard.get("split_attention", 64, **given)
