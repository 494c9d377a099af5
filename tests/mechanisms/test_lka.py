import math
from itertools import product

import pytest
import torch

import regard
from regard.errors import RegardError


def depthwise(planes, conv):
    """A depthwise convolution with zeros around the map, place by place."""
    kernel, bias = conv.weight[:, 0].tolist(), conv.bias.tolist()
    step, reach = conv.dilation[0], conv.kernel_size[0] // 2
    height, width = len(planes[0]), len(planes[0][0])
    out = [[[b] * width for _ in range(height)] for b in bias]
    for c, i, j in product(range(len(planes)), range(height), range(width)):
        for p, q in product(range(-reach, reach + 1), repeat=2):
            row, column = i + step * p, j + step * q
            if 0 <= row < height and 0 <= column < width:
                out[c][i][j] += kernel[c][p + reach][q + reach] * planes[c][row][column]
    return out


def pointwise(planes, conv):
    weight, bias = conv.weight.flatten(1).tolist(), conv.bias.tolist()
    height, width = len(planes[0]), len(planes[0][0])
    out = [[[b] * width for _ in range(height)] for b in bias]
    for c, i, j in product(range(len(bias)), range(height), range(width)):
        out[c][i][j] += sum(w * p[i][j] for w, p in zip(weight[c], planes, strict=True))
    return out


def gated(planes, module):
    logits = pointwise(depthwise(depthwise(planes, module.local), module.dilated), module.mix)
    return [
        [[v * g for v, g in zip(a, b, strict=True)] for a, b in zip(plane, gate, strict=True)]
        for plane, gate in zip(planes, logits, strict=True)
    ]


def test_it_is_the_papers_equation(moved, drawn):
    module, x = moved(regard.get("lka", 3)), drawn(2, 3, 11, 5)
    wanted = torch.tensor([gated(s, module) for s in x.tolist()], dtype=x.dtype)
    torch.testing.assert_close(module(x), wanted, rtol=1e-9, atol=1e-9)


def test_the_block_is_the_papers_figure(moved, drawn):
    module, x = moved(regard.get("van_attention", 2)), drawn(1, 2, 4, 5)
    hidden = [
        [[0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in row] for row in plane]
        for plane in pointwise(x[0].tolist(), module.enter)
    ]
    left = pointwise(gated(hidden, module.attention), module.leave)
    wanted = x + torch.tensor(left, dtype=x.dtype)
    torch.testing.assert_close(module(x), wanted, rtol=1e-9, atol=1e-9)


def test_the_block_without_its_shortcut(moved, drawn):
    x = drawn(2, 4, 5, 3)
    whole, bare = (moved(regard.get("van_attention", 4, residual=r)) for r in (True, False))
    torch.testing.assert_close(whole(x), x + bare(x))


def test_the_published_numbers_of_parameters(count, table):
    made = [count(regard.get("lka", c, device="meta")) for c in table]
    assert made == [9024, 26240, 85248, 301568, 1127424, 4352000]
    made = [count(regard.get("van_attention", c, device="meta")) for c in table]
    assert made == [17344, 59264, 216832, 826880, 3226624, 12744704]


def test_the_gate_sees_eleven_pixels_far_and_no_further(moved):
    module = moved(regard.get("lka", 1))
    x = torch.ones(1, 1, 1, 40, dtype=torch.float64)
    other = x.clone()
    other[..., 20] = 2
    changed = (module(other) != module(x)).flatten().nonzero().flatten() - 20
    assert (changed.min().item(), changed.max().item()) == (-11, 11)


def test_without_biases_it_is_quadratic(moved, drawn):
    module, x = moved(regard.get("lka", 4)), drawn(2, 4, 5, 3)
    for conv in (module.local, module.dilated, module.mix):
        torch.nn.init.zeros_(conv.bias)
    torch.testing.assert_close(module(3 * x), 9 * module(x))


def test_the_initial_values_are_those_of_the_official_networks():
    torch.manual_seed(0)
    module = regard.get("lka", 256)
    for conv, outputs in ((module.local, 25), (module.dilated, 49), (module.mix, 256)):
        assert not conv.bias.any()
        assert abs(conv.weight.std().item() * math.sqrt(outputs / 2) - 1) < 0.05


def test_a_line_is_a_map_of_one_row(moved, drawn):
    line, flat = moved(regard.get("lka", 4, dims=1)), regard.get("lka", 4).double()
    for name in ("local", "dilated", "mix"):
        source, target = getattr(line, name), getattr(flat, name)
        target.bias.data = source.bias.data
        target.weight.data.zero_()[:, :, target.kernel_size[0] // 2] = source.weight.data
    x = drawn(2, 4, 9)
    torch.testing.assert_close(flat(x.unsqueeze(2)).squeeze(2), line(x))


@pytest.mark.parametrize("name", ["lka", "van_attention"])
def test_what_cannot_be_is_an_error(name, drawn):
    with pytest.raises(RegardError, match="dims is 4"):
        regard.get(name, 4, dims=4)
    with pytest.raises(RegardError, match=f"{name} with dims=2 takes 4 axes; the input has 3"):
        regard.get(name, 4).double()(drawn(2, 4, 5))
