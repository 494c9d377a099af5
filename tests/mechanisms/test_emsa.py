import math
from itertools import product

import pytest
import torch

import regard
from regard.errors import RegardError


def affine(layer, row):
    bias = [0.0] * layer.out_features if layer.bias is None else layer.bias.tolist()
    return [
        b + sum(w * v for w, v in zip(line, row, strict=True))
        for line, b in zip(layer.weight.tolist(), bias, strict=True)
    ]


def normalised(values, weight=None, bias=None):
    mean = math.fsum(values) / len(values)
    spread = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values) + 1e-5)
    plain = [(v - mean) / spread for v in values]
    if weight is None:
        return plain
    return [w * v + b for v, w, b in zip(plain, weight, bias, strict=True)]


def reduced(planes, module):
    """Tokens of a strided depthwise convolution, each normalised over its channels."""
    step, kernel = module.reduction, module.reduce.weight[:, 0].tolist()
    height, width = len(planes[0]), len(planes[0][0])
    reach, tokens = step // 2, []
    for i, j in product(
        range(0, height + 2 * reach - step, step), range(0, width + 2 * reach - step, step)
    ):
        token = module.reduce.bias.tolist()
        for c, p, q in product(range(len(planes)), range(step + 1), range(step + 1)):
            row, column = i + p - reach, j + q - reach
            if 0 <= row < height and 0 <= column < width:
                token[c] += kernel[c][p][q] * planes[c][row][column]
        tokens.append(normalised(token, module.norm.weight.tolist(), module.norm.bias.tolist()))
    return tokens


def dot(a, b, places):
    return sum(a[c] * b[c] for c in places)


def by_hand(sample, module):
    channels = len(sample)
    pixels = sample.flatten(1).T.tolist()
    source = pixels if module.reduction == 1 else reduced(sample.tolist(), module)
    query, pairs = (
        [affine(module.query, p) for p in pixels],
        [affine(module.key_value, s) for s in source],
    )
    heads, size = module.heads, channels // module.heads
    scores = [
        [
            [dot(q, k, range(h * size, h * size + size)) / math.sqrt(size) for k in pairs]
            for q in query
        ]
        for h in range(heads)
    ]
    mix = None if module.transform is None else module.transform
    weights = []
    for h in range(heads):
        rows = []
        for i in range(len(query)):
            logits = scores[h][i]
            if mix is not None:
                logits = [
                    mix.bias[h].item()
                    + sum(mix.weight[h, g, 0, 0].item() * scores[g][i][j] for g in range(heads))
                    for j in range(len(source))
                ]
            raised = [math.exp(z) for z in logits]
            rows.append([r / sum(raised) for r in raised])
        if mix is not None:
            flat = iter(normalised([w for row in rows for w in row]))
            rows = [[next(flat) for _ in row] for row in rows]
        weights.append(rows)
    out = torch.empty_like(sample).flatten(1)
    for i in range(len(query)):
        joined = [
            sum(
                w * pair[channels + c] for w, pair in zip(weights[c // size][i], pairs, strict=True)
            )
            for c in range(channels)
        ]
        out[:, i] = torch.tensor(affine(module.output, joined), dtype=out.dtype)
    return out.view_as(sample)


@pytest.mark.parametrize("given", [{}, {"reduction": 4}, {"reduction": 1}, {"transform": False}])
def test_it_is_the_papers_equation(given, moved, drawn):
    module, x = moved(regard.get("emsa", 4, 2, **given)), drawn(1, 4, 5, 4)
    torch.testing.assert_close(module(x)[0], by_hand(x[0], module), rtol=1e-9, atol=1e-9)


def test_the_numbers_of_parameters_are_those_of_the_official_stages(count):
    for channels, heads, s in ((64, 1, 8), (128, 2, 4), (256, 4, 2), (512, 8, 1)):
        due = 4 * channels**2 + 4 * channels
        due += heads**2 + heads if heads > 1 else 0
        due += channels * (s + 1) ** 2 + 3 * channels if s > 1 else 0
        assert count(regard.get("emsa", channels, heads, s, device="meta")) == due


def test_without_transform_and_reduction_it_is_multi_head_attention(moved, drawn):
    module, x = moved(regard.get("emsa", 8, 2, 1, transform=False)), drawn(2, 8, 3, 5)
    twin = regard.get("multihead", 8, heads=2, bias=True).double()
    twin.query.load_state_dict(module.query.state_dict())
    twin.output.load_state_dict(module.output.state_dict())
    for layer, part in ((twin.key, slice(0, 8)), (twin.value, slice(8, 16))):
        layer.weight.data = module.key_value.weight.data[part]
        layer.bias.data = module.key_value.bias.data[part]
    torch.testing.assert_close(module(x), twin(x))


@pytest.mark.parametrize(("reduction", "keys"), [(1, 77), (2, 24), (4, 6), (8, 2)])
def test_keys_are_as_few_as_the_reduction_says(reduction, keys, drawn):
    module = regard.get("emsa", 8, 2, reduction).double()
    assert module._source(drawn(1, 8, 11, 7)).shape == (1, keys, 8)


@pytest.mark.parametrize(
    ("given", "words"),
    [({"heads": 3}, "3 heads do not divide"), ({"reduction": 3}, "1 or an even number")],
)
def test_what_cannot_be_built_is_an_error(given, words):
    with pytest.raises(RegardError, match=words):
        regard.get("emsa", 64, **given)


def in_the_order_of_the_official_code(x, module):
    tokens, size = x.flatten(2).transpose(1, 2), x.shape[1] // module.heads
    source = module.norm(module.reduce(x).flatten(2).transpose(1, 2))
    query = module.query(tokens).unflatten(2, (module.heads, size)).transpose(1, 2)
    key, value = module.key_value(source).chunk(2, 2)
    key, value = (t.unflatten(2, (module.heads, size)).transpose(1, 2) for t in (key, value))
    weights = module.transform((query @ key.transpose(2, 3)) * size**-0.5).softmax(-1)
    out = torch.nn.InstanceNorm2d(module.heads)(weights) @ value
    return module.output(out.transpose(1, 2).flatten(2)).transpose(1, 2).reshape(x.shape)


@pytest.mark.parametrize("size", [(5, 5), (7, 9), (13, 11)])
def test_in_float32_it_rounds_as_the_official_order_does(size, moved, drawn):
    module = moved(regard.get("emsa", 24, 4)).float()
    x = drawn(2, 24, *size).float()
    wanted = in_the_order_of_the_official_code(x, module)
    torch.testing.assert_close(module(x), wanted, rtol=0, atol=1e-5)


def test_a_map_of_one_key_is_normalised_to_zero(moved, drawn):
    module, x = moved(regard.get("emsa", 8, 2)), drawn(2, 8, 1, 1)
    wanted = module.output.bias.view(1, -1, 1, 1).expand(2, 8, 1, 1)
    torch.testing.assert_close(module(x), wanted)
