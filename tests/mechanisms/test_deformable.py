import math

import pytest
import torch
import torch.nn.functional as F

import regard
from regard.errors import RegardError


def at(plane, column, row):
    """A plane [H, W] between its pixels, zero outside: the double sum of bilinear sampling."""
    total = 0.0
    for n in range(math.floor(row), math.floor(row) + 2):
        for m in range(math.floor(column), math.floor(column) + 2):
            if 0 <= n < plane.shape[0] and 0 <= m < plane.shape[1]:
                total += (1 - abs(column - m)) * (1 - abs(row - n)) * plane[n, m].item()
    return total


def by_hand(query, reference, maps, module):
    """Queries [N, C] over maps [C, H, W], point by point; reference [N, L, 2 or 4]."""
    heads, levels, points = module.heads, module.levels, module.points
    values = [
        torch.einsum("oc,chw->ohw", module.value.weight, m) + module.value.bias[:, None, None]
        for m in maps
    ]
    delta = (query @ module.offsets.weight.T + module.offsets.bias).view(
        -1, heads, levels, points, 2
    )
    logits = (query @ module.weights.weight.T + module.weights.bias).view(-1, heads, levels, points)
    out = torch.zeros_like(query)
    width = query.shape[1] // heads
    for q in range(query.shape[0]):
        for h in range(heads):
            total = logits[q, h].exp().sum().item()
            for level, value in enumerate(values):
                size = value.shape[2], value.shape[1]
                for p in range(points):
                    place = []
                    for axis in range(2):
                        step = delta[q, h, level, p, axis].item() / size[axis]
                        if reference.shape[-1] == 4:
                            step *= size[axis] * reference[q, level, 2 + axis].item() / 2 / points
                        place.append((reference[q, level, axis].item() + step) * size[axis] - 0.5)
                    share = math.exp(logits[q, h, level, p].item()) / total
                    for c in range(h * width, (h + 1) * width):
                        out[q, c] += share * at(value[c], *place)
    return out @ module.output.weight.T + module.output.bias


@pytest.fixture
def small(moved):
    """A mechanism whose points lie in and around maps of a few pixels."""

    def build(**given):
        module = moved(regard.get("deformable", 8, 2, 3, **given))
        module.offsets.weight.data *= 0.5
        return module

    return build


@pytest.mark.parametrize("space", [(4, 3), (1, 5), (1, 1)])
def test_a_map_attends_over_itself(space, small, drawn):
    module, x = small(), drawn(2, 8, *space)
    y, x_ = torch.meshgrid(*(((torch.arange(n).double() + 0.5) / n) for n in space), indexing="ij")
    reference = torch.stack((x_, y), -1).flatten(0, 1)[:, None]
    for got, sample in zip(module(x), x, strict=True):
        wanted = by_hand(sample.flatten(1).T, reference, [sample], module)
        torch.testing.assert_close(got.flatten(1).T, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("numbers", [2, 4])
def test_queries_attend_over_several_maps(numbers, small, drawn):
    module, query = small(levels=2), drawn(1, 5, 8)
    maps = [drawn(8, 4, 3, seed=2), drawn(8, 2, 5, seed=3)]
    reference = drawn(1, 5, 2, numbers, seed=4).sigmoid()
    source = torch.cat([m.flatten(1) for m in maps], 1).T.unsqueeze(0)
    got = module(query, reference=reference, source=source, shapes=[(4, 3), (2, 5)])
    wanted = by_hand(query[0], reference[0], maps, module)
    torch.testing.assert_close(got[0], wanted, rtol=1e-9, atol=1e-9)


def test_points_are_those_of_grid_sample_without_aligned_corners(small, drawn):
    module, x = small(), drawn(2, 8, 5, 6)
    delta, weights = module._chosen(x.permute(0, 2, 3, 1).flatten(1, 2))
    rows, columns = torch.meshgrid(torch.arange(5) + 0.5, torch.arange(6) + 0.5, indexing="ij")
    middle = torch.stack((columns, rows), -1).flatten(0, 1)[None, :, None, None].double()
    places = 2 * (middle + delta[:, :, :, 0]) / torch.tensor([6.0, 5.0]).double() - 1
    value = torch.einsum("oc,bchw->bohw", module.value.weight, x) + module.value.bias[:, None, None]
    heads = value.unflatten(1, (2, 4)).flatten(0, 1)
    grid = places.transpose(1, 2).flatten(0, 1)
    seen = F.grid_sample(heads, grid, align_corners=False).unflatten(0, (2, 2))
    mixed = torch.einsum("bhcnp,bnhp->bnhc", seen, weights[:, :, :, 0]).flatten(2)
    wanted = module.output(mixed).transpose(1, 2).unflatten(2, (5, 6))
    torch.testing.assert_close(module(x), wanted)


def test_the_published_number_of_parameters(count):
    assert count(regard.get("deformable", 256, 8, 4, levels=4)) == 230_272


def test_it_begins_at_a_ring_with_equal_weights(drawn):
    module = regard.get("deformable", 16, 8, 2, levels=3).double()
    delta, weights = module._chosen(drawn(1, 5, 16))
    assert torch.equal(weights, torch.full_like(weights, 1 / 6))
    ring = [[1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0], [-1, -1], [0, -1], [1, -1]]
    for point in range(2):
        wanted = (point + 1) * torch.tensor(ring).double()
        for level in range(3):
            torch.testing.assert_close(delta[0, 2, :, level, point], wanted)


def test_without_offsets_a_pixel_sees_itself(moved, drawn):
    module, x = moved(regard.get("deformable", 8, 2)), drawn(2, 8, 4, 5)
    module.offsets.weight.data.zero_()
    module.offsets.bias.data.zero_()
    tokens = x.permute(0, 2, 3, 1)
    wanted = module.output(module.value(tokens)).permute(0, 3, 1, 2)
    torch.testing.assert_close(module(x), wanted)


def test_padding_of_a_source_is_empty(small, drawn):
    module, query = small(), drawn(2, 5, 8)
    reference = drawn(2, 5, 1, 2, seed=4).sigmoid()
    source = drawn(2, 12, 8, seed=2)
    mask = torch.ones(2, 12, dtype=torch.bool)
    mask[:, 8:] = False
    given = {"reference": reference, "shapes": [(3, 4)]}
    got = module(query, mask, source=source, **given)
    poisoned = source.clone()
    poisoned[:, 8:] = 100
    torch.testing.assert_close(module(query, mask, source=poisoned, **given), got)
    assert not torch.allclose(module(query, source=source, **given), got)


def test_what_does_not_fit_is_an_error(drawn):
    module, x = regard.get("deformable", 8, levels=2).double(), drawn(1, 8, 4, 4)
    query, source, reference = drawn(1, 5, 8), drawn(1, 12, 8), drawn(1, 5, 2, 2)
    with pytest.raises(RegardError, match="2 levels takes a map alone, if it has one level"):
        module(x)
    with pytest.raises(RegardError, match="all three"):
        module(query, source=source)
    with pytest.raises(RegardError, match=r"got shapes \[\(3, 4\)\]"):
        module(query, reference=reference, source=source, shapes=[(3, 4)])
    wrong = drawn(1, 5, 2, 3)
    with pytest.raises(RegardError, match=r"a reference \[1, 5, 2, 3\]"):
        module(query, reference=wrong, source=source, shapes=[(2, 4), (2, 2)])
    single = regard.get("deformable", 8).double()
    with pytest.raises(RegardError, match=r"a boolean mask \[1, 4, 4\]"):
        single(x, mask=torch.ones(1, 4, 4))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"heads": 3}, "3 heads do not divide"),
        ({"points": 0}, "points is 0"),
        ({"levels": 0}, "levels is 0"),
    ],
)
def test_what_cannot_be_built_is_an_error(given, words):
    with pytest.raises(RegardError, match=words):
        regard.get("deformable", 16, **given)
