import math

import pytest
import torch

import regard
from regard.errors import RegardError


def sigmoid(logit):
    return 1 / (1 + math.exp(-logit))


def affine(layer, values):
    weight, bias = layer.weight.flatten(1).tolist(), layer.bias.tolist()
    return [
        b + sum(w * v for w, v in zip(row, values, strict=True))
        for row, b in zip(weight, bias, strict=True)
    ]


def hidden_by_hand(means, module):
    """h-swish(BN(W m + b)) of one row or column."""
    norm, out = module.norm, []
    for j, value in enumerate(affine(module.reduce, means)):
        spread = math.sqrt(norm.running_var[j].item() + 1e-5)
        centred = (value - norm.running_mean[j].item()) / spread
        z = norm.weight[j].item() * centred + norm.bias[j].item()
        out.append(z * min(6.0, max(0.0, z + 3)) / 6)
    return out


def by_hand(x, module):
    out = torch.empty_like(x)
    _, channels, height, width = x.shape
    for n, sample in enumerate(x):
        rows = [
            affine(
                module.expand_height,
                hidden_by_hand(
                    [math.fsum(sample[c, i].tolist()) / width for c in range(channels)], module
                ),
            )
            for i in range(height)
        ]
        columns = [
            affine(
                module.expand_width,
                hidden_by_hand(
                    [math.fsum(sample[c, :, j].tolist()) / height for c in range(channels)], module
                ),
            )
            for j in range(width)
        ]
        for c in range(channels):
            for i in range(height):
                for j in range(width):
                    gate = sigmoid(rows[i][c]) * sigmoid(columns[j][c])
                    out[n, c, i, j] = sample[c, i, j] * gate
    return out


def test_it_is_the_papers_equation(moved, drawn):
    module, x = moved(regard.get("coordinate", 3)), drawn(2, 3, 5, 4)
    torch.testing.assert_close(module(x), by_hand(x, module), rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count, table):
    made = [count(regard.get("coordinate", c, device="meta")) for c in table]
    assert made == [1688, 3352, 6680, 25648, 100448, 397504]


def test_the_hidden_layer_keeps_eight_units():
    assert regard.get("coordinate", 16).reduce.out_channels == 8
    assert regard.get("coordinate", 512).reduce.out_channels == 16
    assert regard.get("ca", 512, reduction=16).reduce.out_channels == 32


def test_the_gate_is_a_product_of_rows_and_columns(moved, drawn):
    module, x = moved(regard.get("coordinate", 4)), drawn(1, 4, 5, 6)
    gate = module(x) / x
    corners = gate[..., :1, :1] * gate
    torch.testing.assert_close(corners, gate[..., :, :1] * gate[..., :1, :])
    assert gate.std((2, 3)).min() > 0


def test_moving_pixels_within_a_row_leaves_the_gates_of_rows(moved, drawn):
    module, x = moved(regard.get("coordinate", 4)), drawn(1, 4, 5, 6)
    torch.nn.init.zeros_(module.expand_width.weight)
    gate = module(x) / x
    mixed = x[..., [3, 1, 0, 5, 2, 4]]
    torch.testing.assert_close(module(mixed) / mixed, gate)
    assert not torch.allclose(gate[..., 0, :], gate[..., 1, :])


def test_it_is_the_same_for_a_transposed_map_with_its_layers_exchanged(moved, drawn):
    module, x = moved(regard.get("coordinate", 4)), drawn(2, 4, 5, 6)
    wanted = module(x)
    module.expand_height, module.expand_width = module.expand_width, module.expand_height
    torch.testing.assert_close(module(x.transpose(2, 3)).transpose(2, 3), wanted)


def test_in_training_the_normalisation_counts_rows_and_columns(drawn):
    module, x = regard.get("coordinate", 4).double().train(), drawn(2, 4, 5, 6)
    module(x)
    strips = torch.cat([x.mean(3), x.mean(2)], 2)
    logits = torch.einsum("mc,bcn->bmn", module.reduce.weight.flatten(1), strips)
    mean = logits.mean((0, 2)) + module.reduce.bias
    torch.testing.assert_close(module.norm.running_mean, 0.1 * mean)


@pytest.mark.parametrize("reduction", [0, -3, 2.5])
def test_an_impossible_reduction_is_an_error(reduction):
    with pytest.raises(RegardError, match="reduction"):
        regard.get("coordinate", 64, reduction=reduction)


def test_a_map_of_one_axis_is_an_error(drawn):
    with pytest.raises(RegardError, match="coordinate takes 4 axes; the input has 3"):
        regard.get("coordinate", 4).double()(drawn(2, 4, 5))
