import math

import pytest
import torch
import torch.nn.functional as F

import regard
from regard.errors import RegardError
from regard.maps import record
from regard.mechanisms._resize import resize


def stretched(coarse, height, width):
    """Bilinear interpolation of ``[h, w]`` numbers, pixel centres half a pixel from the edge."""
    h, w = len(coarse), len(coarse[0])
    out = torch.zeros(height, width, dtype=torch.float64)
    for i in range(height):
        for j in range(width):
            y = min(max((i + 0.5) * h / height - 0.5, 0), h - 1)
            x = min(max((j + 0.5) * w / width - 0.5, 0), w - 1)
            for a in range(h):
                for b in range(w):
                    share = max(0, 1 - abs(y - a)) * max(0, 1 - abs(x - b))
                    out[i, j] += share * coarse[a][b]
    return out


def gate_by_hand(x, g, module):
    """α of one sample, pixel by pixel."""
    s = module.subsample
    height, width = x.shape[1] // s, x.shape[2] // s
    kernel, hidden = module.reduce.kernel_size[0], module.reduce.out_channels
    raised = []
    for k in range(hidden):
        plane = [
            [
                module.reduce_gating.bias[k].item()
                + sum(
                    module.reduce_gating.weight[k, c, 0, 0].item() * g[c, i, j].item()
                    for c in range(g.shape[0])
                )
                for j in range(g.shape[2])
            ]
            for i in range(g.shape[1])
        ]
        raised.append(stretched(plane, height, width))
    coarse = [[0.0] * width for _ in range(height)]
    for i in range(height):
        for j in range(width):
            logit = module.score.bias.item()
            for k in range(hidden):
                own = sum(
                    module.reduce.weight[k, c, a, b].item() * x[c, i * s + a, j * s + b].item()
                    for c in range(x.shape[0])
                    for a in range(kernel)
                    for b in range(kernel)
                )
                both = max(0.0, own + raised[k][i, j].item())
                logit += module.score.weight[0, k, 0, 0].item() * both
            coarse[i][j] = 1 / (1 + math.exp(-logit))
    return stretched(coarse, x.shape[1], x.shape[2])


@pytest.mark.parametrize("variant", ["official", "paper"])
def test_it_is_the_papers_equation(variant, moved, drawn):
    module = moved(regard.get("attention_gate", 3, 5, 2, variant=variant))
    x, g = drawn(2, 3, 6, 4), drawn(2, 5, 2, 3, seed=2)
    out = module(x, g)
    for n in range(2):
        gated = gate_by_hand(x[n], g[n], module) * x[n]
        wanted = gated if variant == "paper" else module.output(gated[None])[0]
        torch.testing.assert_close(out[n], wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("given", [(1, 1), (2, 5), (4, 3), (7, 9)])
@pytest.mark.parametrize("wanted", [(1, 1), (3, 5), (8, 6), (7, 9)])
def test_resampling_is_that_of_pytorch(given, wanted, drawn):
    x, like = drawn(2, 3, *given), drawn(1, 1, *wanted)
    theirs = F.interpolate(x, wanted, mode="bilinear", align_corners=False)
    torch.testing.assert_close(resize(x, like), theirs)
    theirs = F.interpolate(x[:, :, 0], wanted[1:], mode="linear", align_corners=False)
    torch.testing.assert_close(resize(x[:, :, 0], like[:, :, 0]), theirs)


@pytest.mark.parametrize("space", [(1, 1), (1, 5), (7, 1), (2, 2), (9, 5)])
@pytest.mark.parametrize("signal", [(1, 1), (3, 2), (11, 8)])
def test_any_two_resolutions_go_together(space, signal, moved, drawn):
    module = moved(regard.get("attention_gate", 4, 6))
    out = module(drawn(2, 4, *space), drawn(2, 6, *signal))
    assert out.shape == (2, 4, *space)
    assert torch.isfinite(out).all()


def test_a_wide_open_gate_lets_everything_through_and_a_closed_one_nothing(moved, drawn):
    module = moved(regard.get("attention_gate", 4, variant="paper"))
    torch.nn.init.zeros_(module.score.weight)
    x, g = drawn(2, 4, 6, 5), drawn(2, 4, 3, 3)
    for bias, wanted in ((40.0, x), (0.0, x / 2), (-800.0, 0 * x)):
        torch.nn.init.constant_(module.score.bias, bias)
        torch.testing.assert_close(module(x, g), wanted)


def test_one_gate_serves_all_channels(moved, drawn):
    module = moved(regard.get("attention_gate", 4, variant="paper"))
    x, g = drawn(2, 4, 6, 5), drawn(2, 4, 3, 3)
    gate = module(x, g) / x
    torch.testing.assert_close(gate, gate[:, :1].expand_as(gate))


def test_the_number_of_parameters_of_the_code(count):
    # theta 2³ without bias, phi and psi with, the output convolution and its normalisation
    theirs = 16 * 16 * 8 + (64 * 16 + 16) + (16 + 1) + (16 * 16 + 16) + 2 * 16
    made = regard.get("attention_gate", 16, 64, 16, dims=3, device="meta")
    assert count(made) == theirs
    paper = regard.get("attention_gate", 16, 64, 16, dims=3, variant="paper", device="meta")
    assert count(paper) == 16 * 16 + (64 * 16 + 16) + (16 + 1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"gating_channels": 0}, "gating_channels is 0"),
        ({"hidden": 0}, "hidden is 0"),
        ({"subsample": 0}, "subsample is 0"),
        ({"dims": 0}, "dims is 0"),
    ],
)
def test_what_cannot_be_built_is_an_error(given, words):
    with pytest.raises(RegardError, match=words):
        regard.get("attention_gate", 4, **given)


def test_the_wrong_map_is_named(drawn):
    module = regard.get("attention_gate", 4, 6).double()
    with pytest.raises(RegardError, match=r"\(the gating signal\) was built for 6 on axis 1"):
        module(drawn(2, 4, 4, 4), drawn(2, 4, 2, 2))
    with pytest.raises(RegardError, match=r"\(the map\) was built for 4 on axis 1"):
        module(drawn(2, 6, 4, 4), drawn(2, 6, 2, 2))


def test_its_gate_is_recorded_at_the_maps_resolution(moved, drawn):
    module, x, g = moved(regard.get("attention_gate", 4, 6)), drawn(2, 4, 7, 5), drawn(2, 6, 3, 2)
    plain = module(x, g)
    with record(module) as found:
        assert torch.equal(module(x, g), plain)
    (gate,) = found
    assert gate.kind == "gate"
    assert gate.values.shape == (2, 1, 7, 5)
    assert ((gate.values > 0) & (gate.values < 1)).all()
