import math

import pytest
import torch

import regard
from regard.errors import RegardError


def normalised(value, norm, channel):
    spread = math.sqrt(norm.running_var[channel].item() + norm.eps)
    mean = norm.running_mean[channel].item()
    return norm.weight[channel].item() * (value - mean) / spread + norm.bias[channel].item()


def line_by_hand(line, half):
    """One line [C, L] by loops over heads, output places and input places."""
    channels, length = line.shape
    width, span = channels // half.heads, half.span
    made = half.qkv.weight[:, :, 0] @ line
    made = [[normalised(v, half.norm_qkv, c) for v in row] for c, row in enumerate(made.tolist())]
    table = half.relative.tolist()
    out = torch.empty_like(line)
    for h in range(half.heads):
        own = made[h * 2 * width : (h + 1) * 2 * width]
        q, k, v = own[: width // 2], own[width // 2 : width], own[width:]
        r_q, r_k, r_v = table[: width // 2], table[width // 2 : width], table[width:]
        for o in range(length):
            places = [p for p in range(length) if abs(o - p) < span]
            raised = []
            for p in places:
                scores = (
                    sum(a[o] * b[p] for a, b in zip(q, k, strict=True)),
                    sum(a[o] * r[o - p + span - 1] for a, r in zip(q, r_q, strict=True)),
                    sum(b[p] * r[p - o + span - 1] for b, r in zip(k, r_k, strict=True)),
                )
                total = sum(
                    normalised(score, half.norm_scores, i * half.heads + h)
                    for i, score in enumerate(scores)
                )
                raised.append(math.exp(total))
            weights = [r / sum(raised) for r in raised]
            for c in range(width):
                place = h * width + c
                seen = sum(w * v[c][p] for w, p in zip(weights, places, strict=True))
                where = sum(
                    w * r_v[c][o - p + span - 1] for w, p in zip(weights, places, strict=True)
                )
                out[place, o] = normalised(seen, half.norm_output, 2 * place) + normalised(
                    where, half.norm_output, 2 * place + 1
                )
    return out


@pytest.mark.parametrize("span", [3, 4, 6])
def test_it_is_the_papers_equation(span, moved, drawn):
    module, x = moved(regard.get("axial", 8, heads=2, span=span)), drawn(1, 8, 4, 3)
    for half in (module.height, module.width):  # normal numbers make the softmax a maximum
        half.norm_scores.weight.data *= 0.1
    tall = torch.stack([line_by_hand(x[0, :, :, j], module.height) for j in range(3)], 2)
    wanted = torch.stack([line_by_hand(tall[:, i], module.width) for i in range(4)], 1)
    torch.testing.assert_close(module(x)[0], wanted, rtol=1e-9, atol=1e-9)


def test_the_number_of_parameters(count):
    # Projection, table of offsets, and weight and bias of three normalisations, twice.
    each = 2 * 64**2 + 16 * 111 + 2 * (128 + 24 + 128)
    assert count(regard.get("axial", 64)) == 2 * each


def test_the_start_is_that_of_the_official_code():
    torch.manual_seed(0)
    half = regard.get("axial", 256, heads=8, span=56).height
    assert abs(half.qkv.weight.std().item() * math.sqrt(256) - 1) < 0.02
    assert abs(half.relative.std().item() * math.sqrt(32) - 1) < 0.05
    assert half.qkv.bias is None


def test_a_pixel_is_seen_along_its_row_and_then_everywhere_its_column_reaches(moved, drawn):
    module, x = moved(regard.get("axial", 8, heads=2, span=2)), drawn(1, 8, 5, 5)
    other = x.clone()
    other[..., 2, 2] += 1
    changed = (module(x) != module(other)).any(1)[0]
    wanted = torch.zeros(5, 5, dtype=torch.bool)
    wanted[1:4, 1:4] = True
    assert torch.equal(changed, wanted)


def test_statistics_are_those_of_the_batch_in_training(drawn):
    module, x = regard.get("axial", 8, heads=2, span=5).double(), drawn(2, 8, 5, 4)
    module.train()(x)
    assert module.height.norm_scores.num_batches_tracked == 1
    assert not torch.equal(module.width.norm_output.running_mean, torch.zeros(16).double())


@pytest.mark.parametrize(
    ("channels", "given", "words"),
    [
        (8, {"heads": 8}, "a multiple of 16 channels"),
        (16, {"heads": 3}, "3 heads do not divide"),
        (16, {"span": 0}, "span is 0"),
    ],
)
def test_what_cannot_be_built_is_an_error(channels, given, words):
    with pytest.raises(RegardError, match=words):
        regard.get("axial", channels, **given)
