import math
from itertools import product

import pytest
import torch

import regard
from regard.errors import RegardError


def normalised(value, norm, c):
    spread = math.sqrt(norm.running_var[c].item() + 1e-5)
    centred = (value - norm.running_mean[c].item()) / spread
    return norm.weight[c].item() * centred + norm.bias[c].item()


def convolved(planes, conv, c, i, j):
    kernel, reach = conv.weight[c].tolist(), conv.kernel_size[0] // 2
    total = 0.0
    for k, plane in enumerate(planes):
        for p, q in product(range(-reach, reach + 1), repeat=2):
            if 0 <= i + p < len(plane) and 0 <= j + q < len(plane[0]):
                total += kernel[k][p + reach][q + reach] * plane[i + p][j + q]
    return total


def by_hand(x, module):
    out = torch.empty_like(x)
    weight = module.weigh.weight.tolist()
    for n, sample in enumerate(x.tolist()):
        skip = [
            [[normalised(v, module.skip_norm, c) for v in row] for row in plane]
            for c, plane in enumerate(sample)
        ]
        means = [sum(map(sum, p)) / (len(p) * len(p[0])) for p in skip]
        for c, i, j in product(*map(range, x.shape[1:])):
            logit = sum(w * m for w, m in zip(weight[c], means, strict=True))
            total = skip[c][i][j] / (1 + math.exp(-logit))
            total += normalised(convolved(sample, module.dense, c, i, j), module.dense_norm, c)
            total += normalised(
                convolved(sample, module.pointwise, c, i, j), module.pointwise_norm, c
            )
            out[n, c, i, j] = total / (1 + math.exp(-total))
    return out


def test_it_is_the_papers_equation(moved, drawn):
    module, x = moved(regard.get("parnet", 3)), drawn(2, 3, 5, 4)
    torch.testing.assert_close(module(x), by_hand(x, module), rtol=1e-9, atol=1e-9)


def test_the_numbers_of_parameters(count):
    for c in (16, 64, 256):
        due = (9 + 1 + 1) * c * c + 3 * 2 * c
        assert count(regard.get("parnet", c, device="meta")) == due


def test_its_convolutions_fold_into_one(moved, drawn):
    module, x = moved(regard.get("parnet", 4)), drawn(2, 4, 5, 6)
    folded = moved(regard.get("parnet", 4))

    def factor(norm):
        return (norm.weight / (norm.running_var + norm.eps).sqrt()).data

    dense, pointwise = factor(module.dense_norm), factor(module.pointwise_norm)
    kernel = module.dense.weight.data * dense.view(-1, 1, 1, 1)
    kernel[..., 1:2, 1:2] += module.pointwise.weight.data * pointwise.view(-1, 1, 1, 1)
    folded.dense.weight.data = kernel / dense.view(-1, 1, 1, 1)
    folded.pointwise.weight.data.zero_()
    torch.testing.assert_close(folded(x), module(x))


def test_an_added_map_is_all_that_residual_changes(moved, drawn):
    x = drawn(2, 4, 5, 6)
    plain, added = (moved(regard.get("parnet", 4, residual=r)) for r in (False, True))
    torch.testing.assert_close(added(x), plain(x) + x)


def test_a_map_of_one_axis_is_an_error(drawn):
    with pytest.raises(RegardError, match="parnet takes 4 axes; the input has 3"):
        regard.get("parnet", 4).double()(drawn(2, 4, 5))
