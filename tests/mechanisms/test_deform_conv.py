import math

import pytest
import torch
import torch.nn.functional as F

import regard
from regard.errors import RegardError

BOTH = ["deform_conv", "deform_conv_v2"]
WHY = "torchvision, of the extra 'vision', has a deformable convolution to compare with"


def value(plane, y, x):
    """A bilinear value of ``[H, W]`` numbers, zero outside."""
    height, width = len(plane), len(plane[0])
    total = 0.0
    for i in (math.floor(y), math.floor(y) + 1):
        for j in (math.floor(x), math.floor(x) + 1):
            if 0 <= i < height and 0 <= j < width:
                total += (1 - abs(y - i)) * (1 - abs(x - j)) * plane[i][j]
    return total


def by_hand(x, module):
    """Every output from its k² places, one sample ``[C, H, W]``; one group of offsets."""
    offset, mask = module.places(x[None])
    k, stride, step = module.taps.kernel, module.taps.stride, module.taps.dilation
    out = torch.zeros(len(module.weight), *offset.shape[2:], dtype=torch.float64)
    planes = x.tolist()
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            for tap in range(k * k):
                u, v = divmod(tap, k)
                y = i * stride + (u - k // 2) * step + offset[0, 2 * tap, i, j].item()
                z = j * stride + (v - k // 2) * step + offset[0, 2 * tap + 1, i, j].item()
                counts = 1.0 if mask is None else mask[0, 0, tap, i, j].item()
                for c, plane in enumerate(planes):
                    seen = counts * value(plane, y, z)
                    for o in range(out.shape[0]):
                        out[o, i, j] += module.weight[o, c, u, v].item() * seen
    return out + module.bias.detach()[:, None, None]


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("given", [{}, {"kernel_size": 1}, {"stride": 2}, {"dilation": 2}])
def test_it_is_the_papers_sum_over_places(name, given, moved, drawn):
    module, x = moved(regard.get(name, 2, 3, **given)), drawn(2, 2, 4, 5)
    out = module(x)
    for n in range(2):
        torch.testing.assert_close(out[n], by_hand(x[n], module), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"kernel_size": 5, "bias": False},
        {"stride": 2},
        {"dilation": 3},
        {"groups": 2, "offset_groups": 1},
        {"groups": 1, "offset_groups": 2},
        {"groups": 4, "offset_groups": 2, "stride": 2},
    ],
)
@pytest.mark.parametrize("space", [(7, 5), (1, 1), (2, 9)])
def test_it_is_that_of_torchvision_values_and_gradients(name, given, space, moved, drawn):
    ops = pytest.importorskip("torchvision.ops", reason=WHY)
    module, x = moved(regard.get(name, 4, 8, **given)), drawn(2, 4, *space).requires_grad_()
    out = module(x)
    offset, mask = module.places(x)
    theirs = ops.deform_conv2d(
        x, offset, module.weight, module.bias, module.taps.stride, module.taps.padding,
        module.taps.dilation, None if mask is None else mask.flatten(1, 2),
    )  # fmt: skip
    torch.testing.assert_close(out, theirs)
    wanted = [x, *module.parameters()]
    weights = drawn(*out.shape, seed=3)
    got = torch.autograd.grad((out * weights).sum(), wanted)
    for a, b in zip(got, torch.autograd.grad((theirs * weights).sum(), wanted), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("given", [{}, {"stride": 2}, {"dilation": 2, "groups": 2}])
@pytest.mark.parametrize(("name", "share"), [("deform_conv", 1.0), ("deform_conv_v2", 0.5)])
def test_it_starts_as_a_plain_convolution_or_half_of_one(name, share, given, drawn):
    module, x = regard.get(name, 4, 6, **given).double(), drawn(2, 4, 7, 5)
    torch.nn.init.normal_(module.bias)
    plain = F.conv2d(
        x, module.weight, None, module.taps.stride, module.taps.padding, module.taps.dilation,
        module.groups,
    )  # fmt: skip
    wanted = share * plain + module.bias[:, None, None]
    torch.testing.assert_close(module(x), wanted)


def test_one_step_to_the_right_for_all_places_moves_the_map(drawn):
    module, x = regard.get("deform_conv", 3).double(), drawn(1, 3, 6, 6)
    plain = module(x)
    with torch.no_grad():
        module.offset.bias[1::2] = 1.0
    torch.testing.assert_close(module(x)[..., 1:-2], plain[..., 2:-1])


def test_places_far_outside_see_nothing(drawn):
    module, x = regard.get("deform_conv", 3).double(), drawn(1, 3, 6, 6)
    torch.nn.init.constant_(module.offset.bias, 1e6)
    assert not module(x).any()


def test_the_numbers_of_parameters(count, table):
    for c in table:
        assert count(regard.get("deform_conv", c, device="meta")) == 9 * c * c + c + 18 * (
            9 * c + 1
        )
        modulated = regard.get("deform_conv_v2", c, bias=False, device="meta")
        assert count(modulated) == 9 * c * c + 27 * (9 * c + 1)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"kernel_size": 2}, "kernel_size is 2; {} needs an odd number"),
        ({"kernel_size": 0}, "kernel_size is 0"),
        ({"groups": 3}, "groups is 3, which does not divide 8 channels; these do: 1, 2, 4, 8"),
        ({"out_channels": 6, "groups": 4}, "groups is 4, which does not divide 6 channels"),
        ({"offset_groups": 5}, "offset_groups is 5, which does not divide 8 channels"),
        ({"stride": 0}, "stride is 0"),
        ({"dilation": 0}, "dilation is 0"),
    ],
)
def test_what_cannot_be_built_is_an_error(name, given, words):
    with pytest.raises(RegardError, match=words.format(name)):
        regard.get(name, 8, **given)


def test_the_papers_of_both_versions_are_cited_apart():
    one, two = (regard.get(name, 4, device="meta") for name in BOTH)
    assert "dai2017deformable" in regard.cite(one)
    assert "zhu2019deformable" in regard.cite(two)
    assert "dai2017deformable" not in regard.cite(two)
