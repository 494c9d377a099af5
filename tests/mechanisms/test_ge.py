import math

import pytest
import torch

import regard
from regard.errors import RegardError


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def averages(plane, extent):
    """Means over the squares of 2e - 1 around every e-th place of one plane, cut at its edges."""
    height, width = plane.shape
    return [
        [
            torch.stack(
                [
                    plane[i, j]
                    for i in range(extent * u - extent + 1, extent * u + extent)
                    for j in range(extent * v - extent + 1, extent * v + extent)
                    if 0 <= i < height and 0 <= j < width
                ]
            ).mean()
            for v in range(math.ceil(width / extent))
        ]
        for u in range(math.ceil(height / extent))
    ]


@pytest.mark.parametrize(("extent", "space"), [(2, (4, 6)), (2, (5, 7)), (3, (7, 4)), (8, (3, 5))])
def test_theta_minus_averages_around_every_eth_place(extent, space, drawn):
    x, module = drawn(2, 3, *space), regard.get("ge", 3, extent)
    out = torch.empty_like(x)
    for n, c in ((n, c) for n in range(2) for c in range(3)):
        small = averages(x[n, c], extent)
        for i in range(space[0]):
            for j in range(space[1]):
                nearest = small[i * len(small) // space[0]][j * len(small[0]) // space[1]]
                out[n, c, i, j] = x[n, c, i, j] * sigmoid(nearest.item())
    torch.testing.assert_close(module(x), out, rtol=1e-9, atol=1e-9)


def test_without_an_extent_theta_minus_averages_the_whole_map(drawn, count):
    x, module = drawn(2, 3, 5, 4), regard.get("ge", 3)
    for n, c in ((n, c) for n in range(2) for c in range(3)):
        wanted = x[n, c] * sigmoid(math.fsum(x[n, c].flatten().tolist()) / 20)
        torch.testing.assert_close(module(x)[n, c], wanted)
    assert count(module) == 0


def test_an_extent_as_large_as_the_map_is_the_whole_map(drawn):
    x = drawn(2, 4, 5, 7)
    torch.testing.assert_close(regard.get("ge", 4, 7)(x), regard.get("ge", 4)(x))


def convolved(plane, kernel, stride, pad):
    """A plane convolved with a kernel, number by number."""
    height, width = plane.shape
    rows, columns = len(kernel), len(kernel[0])
    out = torch.zeros(
        (height + 2 * pad - rows) // stride + 1, (width + 2 * pad - columns) // stride + 1
    ).double()
    for u in range(out.shape[0]):
        for v in range(out.shape[1]):
            for a in range(rows):
                for b in range(columns):
                    i, j = stride * u + a - pad, stride * v + b - pad
                    if 0 <= i < height and 0 <= j < width:
                        out[u, v] += kernel[a][b] * plane[i, j]
    return out


def gathered(x, module, stride, pad):
    """Every convolution, BatchNorm and rectifier of a gather, on one sample [C, H, W]."""
    planes = list(x)
    layers = [m for m in module.gather if not isinstance(m, torch.nn.ReLU)]
    for step, (conv, norm) in enumerate(zip(layers[::2], layers[1::2], strict=True)):
        for c, plane in enumerate(planes):
            made = plane.clamp(min=0) if step else plane
            made = convolved(made, conv.weight[c, 0].tolist(), stride, pad)
            spread = math.sqrt(norm.running_var[c].item() + 1e-5)
            made = norm.weight[c].item() * (made - norm.running_mean[c].item()) / spread
            planes[c] = made + norm.bias[c].item()
    return torch.stack(planes)


def excited(values, module):
    """The excite of θ⁺ at one place, from C numbers."""
    w1, b1 = module.reduce.weight.flatten(1).tolist(), module.reduce.bias.tolist()
    w2, b2 = module.expand.weight.flatten(1).tolist(), module.expand.bias.tolist()
    values = [max(0.0, v) for v in values]
    hidden = [
        max(0.0, b + sum(w * v for w, v in zip(row, values, strict=True)))
        for row, b in zip(w1, b1, strict=True)
    ]
    return [
        b + sum(w * h for w, h in zip(row, hidden, strict=True))
        for row, b in zip(w2, b2, strict=True)
    ]


@pytest.mark.parametrize("name", ["ge_theta", "ge_theta_plus"])
@pytest.mark.parametrize("extent", [2, 4, None])
def test_the_learned_forms_gather_by_convolutions(name, extent, moved, drawn):
    options = {"size": (5, 6)} if extent is None else {"extent": extent}
    if name == "ge_theta_plus":
        options["reduction"] = 2
    module, x = moved(regard.get(name, 4, **options)), drawn(1, 4, 5, 6)
    with torch.no_grad():
        small = gathered(x[0], module, *((1, 0) if extent is None else (2, 1)))
    out = torch.empty_like(x)
    for i in range(5):
        for j in range(6):
            values = small[:, i * small.shape[1] // 5, j * small.shape[2] // 6].tolist()
            logits = excited(values, module) if name == "ge_theta_plus" else values
            for c in range(4):
                out[0, c, i, j] = x[0, c, i, j] * sigmoid(logits[c])
    torch.testing.assert_close(module(x), out, rtol=1e-9, atol=1e-9)


def test_a_resnet_50_of_the_official_networks_has_as_many_parameters_as_derived(count):
    stages = {256: (56, 3), 512: (28, 4), 1024: (14, 6), 2048: (7, 3)}
    made = (n * count(regard.get("ge_theta", c, k)) for c, (k, n) in stages.items())
    assert 25_557_032 + sum(made) == 31_106_600


def test_theta_plus_adds_the_parameters_of_squeeze_excitation(count, table):
    for c in table:
        plus, theta = (
            count(regard.get(n, c, 7, device="meta")) for n in ("ge_theta_plus", "ge_theta")
        )
        assert plus - theta == count(regard.get("se", c, device="meta"))


def test_an_extent_is_a_number_of_halvings(count):
    assert [count(regard.get("ge_theta", 16, extent=e)) for e in (2, 4, 8)] == [176, 352, 528]


def test_a_map_of_another_size_than_the_kernel_is_an_error(drawn):
    module = regard.get("ge_theta", 4, (5, 6)).double().eval()
    with pytest.raises(RegardError, match=r"size=\(5, 6\) was built for 5 on axis 2; .* has 6"):
        module(drawn(1, 4, 6, 5))


def test_a_mask_needs_the_whole_map(drawn):
    x, mask = drawn(1, 4, 6, 5), torch.ones(1, 6, 5, dtype=torch.bool)
    torch.testing.assert_close(regard.get("ge", 4)(x, mask=mask), regard.get("ge", 4)(x))
    with pytest.raises(RegardError, match="ge with an extent takes no mask"):
        regard.get("ge", 4, 2)(x, mask=mask)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("ge", {"extent": 1}),
        ("ge", {"extent": 0}),
        ("ge_theta", {"extent": 1}),
        ("ge_theta", {"extent": 6}),
        ("ge_theta_plus", {"extent": 12}),
        ("ge_theta", {"size": 0}),
        ("ge_theta_plus", {"size": (7, 0)}),
    ],
)
def test_what_cannot_be_built_is_an_error(name, given):
    with pytest.raises(RegardError, match=next(iter(given))):
        regard.get(name, 8, **given)
