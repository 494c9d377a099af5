import math

import pytest
import torch

import regard
from regard.errors import RegardError

NAMES = ("window", "shifted_window", "window_v2", "shifted_window_v2")


def shift_of(name, side, w):
    """The move of the windows; none where one window is all there is."""
    return w // 2 if name.startswith("shifted") and side > w else 0


def pairs_by_hand(name, height, width, w, masked):
    """For every pixel of the padded map, the pixels of its window."""
    sides = [math.ceil(n / w) * w for n in (height, width)]
    shifts = [shift_of(name, side, w) for side in sides]
    found = {}
    for i in range(sides[0]):
        for j in range(sides[1]):
            windows = [(p - s) // w for p, s in zip((i, j), shifts, strict=True)]
            found[i, j] = [
                (m, n)
                for m in range(sides[0])
                for n in range(sides[1])
                if [(m - shifts[0]) // w, (n - shifts[1]) // w] == windows
                and not (masked and (m >= height or n >= width))
            ]
    return found


def bias_by_hand(module, name, offset, head):
    w = module.window
    if not name.endswith("v2"):
        place = (offset[0] + w - 1) * (2 * w - 1) + offset[1] + w - 1
        return module.position[place, head].item()
    first, last = module.position_mlp[0], module.position_mlp[2]
    scaled = [math.copysign(math.log2(1 + abs(8 * o / (w - 1))) / 3, o) for o in offset]
    total = 0.0
    for row, b, out in zip(
        first.weight.tolist(), first.bias.tolist(), last.weight[head].tolist(), strict=True
    ):
        total += out * max(0.0, row[0] * scaled[0] + row[1] * scaled[1] + b)
    return 16 / (1 + math.exp(-total))


def score_by_hand(module, name, query, key, head):
    dot = sum(a * b for a, b in zip(query, key, strict=True))
    if not name.endswith("v2"):
        return dot / math.sqrt(len(query))
    lengths = math.sqrt(sum(a * a for a in query)) * math.sqrt(sum(b * b for b in key))
    return math.exp(min(module.log_scale[head].item(), math.log(100))) * dot / max(lengths, 1e-12)


def by_hand(x, module, name):
    """One sample [C, H, W], pixel by pixel and pair by pair."""
    channels, height, width = x.shape
    pairs = pairs_by_hand(name, height, width, module.window, module.masked)
    bias = module.qkv.bias
    if bias is None:
        zero = torch.zeros_like(module.query_bias)
        bias = torch.cat((module.query_bias, zero, module.value_bias))
    made = {}
    for i, j in pairs:
        inside = i < height and j < width
        pixel = x[:, i, j] if inside else torch.zeros(channels, dtype=x.dtype)
        made[i, j] = (module.qkv.weight @ pixel + bias).view(3, module.heads, -1).tolist()
    out = torch.empty_like(x)
    for i in range(height):
        for j in range(width):
            parts = []
            for head in range(module.heads):
                logits = [
                    score_by_hand(module, name, made[i, j][0][head], made[p][1][head], head)
                    + bias_by_hand(module, name, (i - p[0], j - p[1]), head)
                    for p in pairs[i, j]
                ]
                raised = [math.exp(logit - max(logits)) for logit in logits]
                for c in range(channels // module.heads):
                    values = [made[p][2][head][c] for p in pairs[i, j]]
                    total = sum(r * v for r, v in zip(raised, values, strict=True))
                    parts.append(total / sum(raised))
            attended = torch.tensor(parts, dtype=x.dtype)
            out[:, i, j] = module.output.weight @ attended + module.output.bias
    return out


@pytest.fixture
def built(moved):
    """A mechanism whose position network has a narrow hidden layer: the loops are in Python."""

    def build(name, channels, window, **given):
        module = regard.get(name, channels, window, dtype=torch.float64, **given)
        module = moved(module)
        if name.endswith("v2"):
            module.position_mlp[0].weight.data[8:] = 0
            module.position_mlp[0].bias.data[8:] = 0
        return module

    return build


@pytest.mark.parametrize("variant", ["official", "masked"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("space", [(4, 4), (3, 5), (1, 2)])
def test_it_is_the_papers_equation(name, space, variant, built, drawn):
    module = built(name, 4, 2, heads=2, variant=variant)
    x = drawn(1, 4, *space)
    wanted = by_hand(x[0], module, name)
    torch.testing.assert_close(module(x)[0], wanted, rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count, table):
    first = [16978, 66724, 264520, 1053328, 4203808, 16796224]
    second = [19138, 69508, 268552, 1059856, 4215328, 16817728]
    for name in ("window", "shifted_window"):
        assert [count(regard.get(name, c, device="meta")) for c in table] == first
        assert [count(regard.get(name + "_v2", c, device="meta")) for c in table] == second


@pytest.mark.parametrize("name", ["window", "shifted_window"])
def test_a_window_as_large_as_the_map_is_multi_head_attention(name, moved, drawn):
    module, x = moved(regard.get(name, 8, 3, heads=2)), drawn(2, 8, 3, 3)
    module.position.data.zero_()
    whole = regard.get("multihead", 8, heads=2, bias=True).double()
    weights, biases = module.qkv.weight.data.chunk(3), module.qkv.bias.data.chunk(3)
    layers = whole.query, whole.key, whole.value
    for layer, weight, bias in zip(layers, weights, biases, strict=True):
        layer.weight.data, layer.bias.data = weight, bias
    whole.output.load_state_dict(module.output.state_dict())
    torch.testing.assert_close(module(x), whole(x))


@pytest.mark.parametrize("name", NAMES)
def test_padding_counts_in_the_official_form_only(name, built, drawn):
    x = drawn(2, 4, 3, 3)
    official = built(name, 4, 3, heads=2)
    masked = built(name, 4, 3, heads=2, variant="masked")
    torch.testing.assert_close(official(x), masked(x))
    part = x[..., :2, :2]
    assert not torch.allclose(official(part), masked(part))


@pytest.mark.parametrize("name", ["window", "shifted_window"])
def test_a_map_smaller_than_a_masked_window_is_one_window(name, built, drawn):
    large, x = built(name, 4, 3, heads=2, variant="masked"), drawn(2, 4, 2, 2)
    small = built(name, 4, 2, heads=2)
    state = large.state_dict()
    state["position"] = state["position"].view(5, 5, 2)[1:4, 1:4].flatten(0, 1)
    small.load_state_dict(state)
    torch.testing.assert_close(large(x), small(x))


@pytest.mark.parametrize("name", NAMES)
def test_windows_do_not_see_each_other(name, built, drawn):
    module, x = built(name, 4, 2, heads=2), drawn(1, 4, 6, 6)
    moved_x = x.clone()
    moved_x[..., 0, 0] += 1
    changed = (module(x) != module(moved_x)).any(1)[0]
    reach = 1 if name.startswith("shifted") else 2  # the corner window is cut in half by the shift
    assert changed[:reach, :reach].all()
    assert not changed[reach:].any()
    assert not changed[:, reach:].any()


def test_the_bias_of_v2_lies_between_zero_and_sixteen(built):
    bias = built("window_v2", 4, 3, heads=2).bias()
    assert bias.shape == (2, 9, 9)
    assert bias.min() > 0
    assert bias.max() < 16


def test_a_pretrained_window_keeps_the_bias_of_its_offsets(moved):
    small = moved(regard.get("window_v2", 4, 3, heads=2))
    large = moved(regard.get("window_v2", 4, 5, heads=2, pretrained_window=3))
    large.load_state_dict(small.state_dict())
    inner = [r * 5 + c for r in range(3) for c in range(3)]
    torch.testing.assert_close(large.bias()[:, inner][:, :, inner], small.bias())


def test_keys_of_v2_have_no_bias(drawn):
    module = regard.get("window_v2", 8)
    assert module.qkv.bias is None
    assert not module.query_bias.any()
    assert not module.value_bias.any()
    torch.testing.assert_close(module.log_scale, torch.full((1, 1, 1), math.log(10)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("channels", "heads"), [(96, 3), (3, 1), (112, 2), (33, 1), (100, 2)])
def test_heads_are_32_channels_wide_or_wider(name, channels, heads):
    assert regard.get(name, channels, device="meta").heads == heads


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"heads": 3}, "3 heads do not divide"),
        ({"window": 0}, "window is 0"),
        ({"variant": "paper"}, "'official' or 'masked'"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_built_is_an_error(name, given, words):
    with pytest.raises(RegardError, match=words):
        regard.get(name, 64, **given)


def test_what_is_no_image_is_an_error(drawn):
    with pytest.raises(RegardError, match="takes 4 axes; the input has 3"):
        regard.get("window", 4)(drawn(1, 4, 9))
