import math

import pytest
import torch

import regard
from regard.errors import RegardError


def inner(a, b):
    return math.fsum(p * q for p, q in zip(a, b, strict=True))


def linear(layer, pixel):
    return [inner(row, pixel) for row in layer.weight.flatten(1).tolist()]


def seen(i, j, module, height, width):
    """The real pixels of a pixel's block and the band around it."""
    top, left = i // module.block * module.block, j // module.block * module.block
    rows = range(max(0, top - module.halo), min(height, top + module.block + module.halo))
    columns = range(max(0, left - module.halo), min(width, left + module.block + module.halo))
    return [(a, b) for a in rows for b in columns]


def by_hand(x, module):
    out = torch.empty_like(x)
    _, channels, height, width = x.shape
    size = channels // module.heads
    rows, columns = module.rows.tolist(), module.columns.tolist()
    middle = module.block + module.halo - 1
    places = [(i, j) for i in range(height) for j in range(width)]
    for n, sample in enumerate(x):
        queries, keys, values = (
            {(i, j): linear(layer, sample[:, i, j].tolist()) for i, j in places}
            for layer in (module.query, module.key, module.value)
        )
        for h in range(module.heads):
            part = slice(h * size, (h + 1) * size)
            for i, j in places:
                near, logits = seen(i, j, module, height, width), []
                for a, b in near:
                    position = zip(rows[middle + a - i], columns[middle + b - j], strict=True)
                    key = [k + r + c for k, (r, c) in zip(keys[a, b][part], position, strict=True)]
                    logits.append(inner(queries[i, j][part], key) / math.sqrt(size))
                raised = [math.exp(v - max(logits)) for v in logits]
                for c in range(h * size, (h + 1) * size):
                    column = [values[p][c] for p in near]
                    out[n, c, i, j] = inner(raised, column) / math.fsum(raised)
    return out


@pytest.mark.parametrize(("block", "halo"), [(2, 1), (3, 2), (2, 0), (8, 3)])
def test_it_is_the_papers_equation_whether_blocks_divide_the_map_or_not(block, halo, moved, drawn):
    module, x = moved(regard.get("halo", 4, 2, block, halo)), drawn(2, 4, 4, 5)
    torch.testing.assert_close(module(x), by_hand(x, module), rtol=1e-9, atol=1e-9)


def test_the_number_of_parameters(count, table):
    for c in table:
        made = count(regard.get("halo", c, device="meta"))
        assert made == 3 * c * c + 2 * (2 * 8 + 2 * 3 - 1) * c // 8


def test_one_block_over_the_whole_map_is_attention_over_all_pixels(moved, drawn):
    local, x = moved(regard.get("halo", 8, 2, 4, 0)), drawn(2, 8, 4, 3)
    everywhere = regard.get("bot_mhsa", 8, 2, 4).double()
    everywhere.load_state_dict(local.state_dict())
    torch.testing.assert_close(local(x), everywhere(x))


def reached(module, x, i, j):
    x = x.clone().requires_grad_()
    module(x)[0, :, i, j].sum().backward()
    return x.grad[0].abs().sum(0) > 0


def test_a_pixel_sees_its_block_and_the_band_around_it(moved, drawn):
    module, x = moved(regard.get("halo", 8, 2, 3, 2)), drawn(1, 8, 9, 9)
    wanted = torch.zeros(9, 9, dtype=torch.bool)
    wanted[1:8, :5] = True
    for i, j in ((3, 0), (4, 2), (5, 1)):
        assert torch.equal(reached(module, x, i, j), wanted)


def test_nobody_attends_to_what_lies_outside_the_map(moved, drawn):
    module, x = moved(regard.get("halo", 8, 2, 4, 3)), drawn(2, 8, 5, 3)
    torch.nn.init.ones_(module.value.weight)
    constant = torch.ones_like(x)  # every value is 8, so every mean of real values is
    torch.testing.assert_close(module(constant), 8 * constant)


def test_blocks_of_a_larger_map_are_treated_alike(moved, drawn):
    module, x = moved(regard.get("halo", 8, 2, 2, 0)), drawn(2, 8, 4, 6)
    torch.testing.assert_close(module(x)[..., 2:4, 4:6], module(x[..., 2:4, 4:6]))


def test_an_identity_start_gives_the_input(drawn):
    x = drawn(2, 8, 5, 3)
    assert torch.equal(regard.get("halo", 8, start="identity").double()(x), x)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"heads": 3}, "3 heads do not divide a width of 64"),
        ({"block": 0}, "block is 0"),
        ({"halo": -1}, "halo is -1; it must be a whole number of at least 0"),
    ],
)
def test_what_cannot_be_built_is_an_error(given, words):
    with pytest.raises(RegardError, match=words):
        regard.get("halo", 64, **given)


def test_the_input_can_be_added_from_the_papers_start_too(moved, drawn):
    plain, added = (moved(regard.get("halo", 16, residual=r)) for r in (None, True))
    x = drawn(2, 16, 5, 4)
    torch.testing.assert_close(added(x), x + plain(x))
