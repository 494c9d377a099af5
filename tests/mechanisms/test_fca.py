import math

import pytest
import torch
import torch.nn.functional as F

import regard
from regard.errors import RegardError

TOP = [
    (0, 0), (0, 1), (6, 0), (0, 5), (0, 2), (1, 0), (1, 2), (4, 0),
    (5, 0), (1, 6), (3, 0), (0, 4), (0, 6), (0, 3), (3, 5), (2, 2),
]  # fmt: skip


def wave(frequency, place, extent):
    value = math.cos(math.pi * frequency * (place + 0.5) / extent) / math.sqrt(extent)
    return value * math.sqrt(2) if frequency else value


def by_hand(x, module, frequencies, size):
    """Averaging to a map of the size, the transform, both layers and the gate."""
    w1, w2 = module.reduce.weight.tolist(), module.expand.weight.tolist()
    pooled, out = F.adaptive_avg_pool2d(x, size), torch.empty_like(x)
    part, (height, width) = x.shape[1] // len(frequencies), size
    for n, sample in enumerate(pooled.tolist()):
        spectrum = []
        for c, plane in enumerate(sample):
            u, v = frequencies[c // part]
            u, v = u * (height // 7), v * (width // 7)
            terms = (
                plane[i][j] * wave(u, i, height) * wave(v, j, width)
                for i in range(height)
                for j in range(width)
            )
            spectrum.append(math.fsum(terms))
        hidden = [max(0.0, sum(w * s for w, s in zip(r, spectrum, strict=True))) for r in w1]
        for c, row in enumerate(w2):
            logit = sum(w * h for w, h in zip(row, hidden, strict=True))
            out[n, c] = x[n, c] / (1 + math.exp(-logit))
    return out


@pytest.mark.parametrize("space", [(7, 7), (14, 7), (9, 5), (3, 17), (1, 1)])
def test_it_is_the_papers_equation_on_a_map_of_any_size(space, moved, drawn):
    module = moved(regard.get("fca", 32, dtype=torch.float64))
    x = drawn(2, 32, *space)
    torch.testing.assert_close(module(x), by_hand(x, module, TOP, (7, 7)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("size", [14, (15, 28)])
def test_frequencies_are_those_of_a_map_of_seven_places(size, moved, drawn):
    module = moved(regard.get("fca", 16, size, reduction=4, dtype=torch.float64))
    x, pair = drawn(1, 16, 15, 9), (size, size) if isinstance(size, int) else size
    torch.testing.assert_close(module(x), by_hand(x, module, TOP, pair), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("choice", "pairs"),
    [
        ("top2", [(0, 0), (0, 1)]),
        ("low4", [(0, 0), (0, 1), (1, 0), (1, 1)]),
        ("bot2", [(6, 6), (1, 4)]),
    ],
)
def test_other_choices_of_frequencies(choice, pairs, moved, drawn):
    module = moved(regard.get("fca", 8, reduction=2, frequencies=choice, dtype=torch.float64))
    x = drawn(1, 8, 7, 7)
    torch.testing.assert_close(module(x), by_hand(x, module, pairs, (7, 7)), rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count, table):
    made = [count(regard.get("fca", c, device="meta")) for c in table]
    assert made == [512, 2048, 8192, 32768, 131072, 524288]


def test_the_lowest_frequency_is_the_mean(moved, drawn):
    module = moved(regard.get("fca", 16, 7, 4, frequencies="top1", dtype=torch.float64))
    se = regard.get("se", 16, 4, bias=False).double()
    se.load_state_dict(module.state_dict())
    se.reduce.weight.data *= 7  # √(H·W)
    x = drawn(2, 16, 7, 7)
    torch.testing.assert_close(module(x), se(x))


def test_the_waves_are_orthonormal():
    for kind in ("top", "low"):
        module = regard.get("fca", 32, 14, frequencies=f"{kind}32", dtype=torch.float64)
        planes = (module.u.unsqueeze(2) * module.v.unsqueeze(1)).flatten(1)
        torch.testing.assert_close(planes @ planes.T, torch.eye(32, dtype=torch.float64))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"channels": 24}, "24 channels are no multiple of the 16 frequencies of 'top16'"),
        ({"channels": 32, "frequencies": "top3"}, "frequencies is 'top3'"),
        ({"channels": 32, "frequencies": "16"}, "frequencies is '16'"),
        ({"channels": 32, "size": 6}, "size is 6"),
        ({"channels": 32, "size": (7, 5)}, "size is"),
    ],
)
def test_what_cannot_be_built_is_an_error(given, words):
    with pytest.raises(RegardError, match=words):
        regard.get("fca", given.pop("channels"), **given)
