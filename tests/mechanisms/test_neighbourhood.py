import math

import pytest
import torch

import regard
from regard.errors import RegardError


def neighbours(place, size, k, dilation):
    """The k places of its residue class that are nearest, the lower ones first where they tie."""
    line = [p for p in range(size) if p % dilation == place % dilation]
    windows = [line[i : i + k] for i in range(len(line) - k + 1)]
    return min(windows, key=lambda window: abs(sum(window) / k - place))


def by_hand(x, module):
    """One sample [C, H, W], pixel by pixel and neighbour by neighbour."""
    channels, height, width = x.shape
    k, dilation, heads = module.kernel_size, module.dilation, module.heads
    sides = [max(n, k * dilation) for n in (height, width)]
    padded = torch.zeros(channels, *sides, dtype=x.dtype)
    padded[:, :height, :width] = x
    made = torch.einsum("oc,chw->hwo", module.qkv.weight, padded) + module.qkv.bias
    made = made.unflatten(2, (3, heads, -1)).tolist()
    scale = math.sqrt(channels // heads)
    out = torch.empty_like(x)
    for i in range(height):
        for j in range(width):
            pairs = [
                (m, n)
                for m in neighbours(i, sides[0], k, dilation)
                for n in neighbours(j, sides[1], k, dilation)
            ]
            parts = []
            for h in range(heads):
                raised = []
                for m, n in pairs:
                    dot = sum(
                        a * b for a, b in zip(made[i][j][0][h], made[m][n][1][h], strict=True)
                    )
                    rows, columns = (m - i) // dilation + k - 1, (n - j) // dilation + k - 1
                    raised.append(math.exp(dot / scale + module.position[h, rows, columns].item()))
                for c in range(channels // heads):
                    total = sum(
                        r * made[m][n][2][h][c] for r, (m, n) in zip(raised, pairs, strict=True)
                    )
                    parts.append(total / sum(raised))
            attended = torch.tensor(parts, dtype=x.dtype)
            out[:, i, j] = module.output.weight @ attended + module.output.bias
    return out


@pytest.mark.parametrize(
    ("k", "dilation", "space"),
    [
        (3, 1, (4, 5)),
        (3, 1, (2, 4)),
        (5, 1, (6, 5)),
        (3, 2, (7, 6)),
        (3, 3, (10, 9)),
        (1, 1, (2, 3)),
    ],
)
def test_it_is_the_papers_equation(k, dilation, space, moved, drawn):
    module = moved(regard.get("neighbourhood", 4, k, heads=2, dilation=dilation))
    x = drawn(1, 4, *space)
    torch.testing.assert_close(module(x)[0], by_hand(x[0], module), rtol=1e-9, atol=1e-9)


def test_the_number_of_parameters(count):
    assert count(regard.get("neighbourhood", 64)) == 4 * 64**2 + 4 * 64 + 13**2 * 2
    assert count(regard.get("natten", 64, 5, heads=4)) == 4 * 64**2 + 4 * 64 + 9**2 * 4


def test_a_neighbourhood_as_large_as_the_map_is_one_window(moved, drawn):
    near, x = moved(regard.get("neighbourhood", 8, 5, heads=2)), drawn(2, 8, 5, 5)
    window = regard.get("window", 8, 5, heads=2).double()
    state = near.state_dict()
    # Swin's table is read at query - key, this one at key - query.
    state["position"] = state["position"].flip(1, 2).flatten(1).T
    window.load_state_dict(state)
    torch.testing.assert_close(near(x), window(x))


def test_away_from_the_border_it_follows_a_moved_map(moved, drawn):
    module, x = moved(regard.get("neighbourhood", 4, 3, heads=2)), drawn(1, 4, 9, 9)
    there = module(x.roll((1, 2), (2, 3)))
    torch.testing.assert_close(there[..., 3:7, 4:7], module(x)[..., 2:6, 2:5])


def test_a_pixel_is_seen_by_its_neighbours_only(moved, drawn):
    module, x = moved(regard.get("neighbourhood", 4, 3, heads=2)), drawn(1, 4, 7, 7)
    other = x.clone()
    other[..., 0, 3] += 1
    changed = (module(x) != module(other)).any(1)[0]
    wanted = torch.zeros(7, 7, dtype=torch.bool)
    wanted[:2, 2:5] = True
    assert torch.equal(changed, wanted)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"kernel_size": 4}, "kernel_size is 4; it must be odd"),
        ({"dilation": 0}, "dilation is 0"),
        ({"heads": 5}, "5 heads do not divide"),
    ],
)
def test_what_cannot_be_built_is_an_error(given, words):
    with pytest.raises(RegardError, match=words):
        regard.get("neighbourhood", 64, **given)
