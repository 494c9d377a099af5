import math
from itertools import product

import pytest
import torch

import regard
from regard.errors import RegardError


def strip_by_hand(means, conv, norm):
    """BN(conv) of means [channel][place] with a kernel of three."""
    kernel, bias = conv.weight.flatten(2).tolist(), conv.bias.tolist()
    length = len(means[0])
    out = [[0.0] * length for _ in bias]
    for c, i in product(range(len(bias)), range(length)):
        total = bias[c]
        for k, d in product(range(len(means)), (-1, 0, 1)):
            if 0 <= i + d < length:
                total += kernel[c][k][d + 1] * means[k][i + d]
        spread = math.sqrt(norm.running_var[c].item() + 1e-5)
        centred = (total - norm.running_mean[c].item()) / spread
        out[c][i] = norm.weight[c].item() * centred + norm.bias[c].item()
    return out


def by_hand(x, module):
    out = torch.empty_like(x)
    weight, bias = module.mix.weight.flatten(1).tolist(), module.mix.bias.tolist()
    for n, sample in enumerate(x.tolist()):
        rows = [[sum(r) / len(r) for r in plane] for plane in sample]
        columns = [[sum(r) / len(r) for r in zip(*plane, strict=True)] for plane in sample]
        down = strip_by_hand(rows, module.rows, module.rows_norm)
        across = strip_by_hand(columns, module.columns, module.columns_norm)
        for i, j in product(range(x.shape[2]), range(x.shape[3])):
            cross = [max(0.0, d[i] + a[j]) for d, a in zip(down, across, strict=True)]
            for c, row in enumerate(weight):
                logit = bias[c] + sum(w * v for w, v in zip(row, cross, strict=True))
                out[n, c, i, j] = sample[c][i][j] / (1 + math.exp(-logit))
    return out


def test_it_is_the_papers_equation(moved, drawn):
    module, x = moved(regard.get("strip_pooling", 3)), drawn(2, 3, 5, 4)
    torch.testing.assert_close(module(x), by_hand(x, module), rtol=1e-9, atol=1e-9)


def test_the_numbers_of_parameters(count):
    for c in (16, 64, 256):
        strips = 2 * (3 * c * c + c + 2 * c)
        assert count(regard.get("strip_pooling", c, device="meta")) == strips + c * c + c


def test_it_is_the_same_for_a_transposed_map_with_its_strips_exchanged(moved, drawn):
    module, x = moved(regard.get("strip_pooling", 4)), drawn(2, 4, 5, 6)
    turned = regard.get("strip_pooling", 4).double().eval()
    for mine, theirs in (("rows", "columns"), ("columns", "rows")):
        getattr(turned, f"{mine}_norm").load_state_dict(
            getattr(module, f"{theirs}_norm").state_dict()
        )
        getattr(turned, mine).weight.data = getattr(module, theirs).weight.data.transpose(2, 3)
        getattr(turned, mine).bias.data = getattr(module, theirs).bias.data
    turned.mix.load_state_dict(module.mix.state_dict())
    torch.testing.assert_close(turned(x.transpose(2, 3)).transpose(2, 3), module(x))


def test_turning_a_row_round_moves_only_the_columns_part(moved, drawn):
    module, x = moved(regard.get("strip_pooling", 4)), drawn(1, 4, 5, 6)
    torch.nn.init.zeros_(module.columns.weight)
    gate = module(x) / x
    torch.testing.assert_close(module(x.flip(3)) / x.flip(3), gate)
    torch.testing.assert_close(gate, gate[..., :1].expand_as(gate))


def test_in_training_rows_and_columns_are_normalised_apart(drawn):
    module, x = regard.get("strip_pooling", 4).double().train(), drawn(3, 4, 5, 6)
    module(x)
    strip = module.rows(x.mean(3, keepdim=True))
    torch.testing.assert_close(module.rows_norm.running_mean, 0.1 * strip.mean((0, 2, 3)))


def test_a_map_of_one_axis_is_an_error(drawn):
    with pytest.raises(RegardError, match="strip_pooling takes 4 axes; the input has 3"):
        regard.get("strip_pooling", 4).double()(drawn(2, 4, 5))
