import math

import pytest
import torch

import regard
from regard.errors import RegardError


def inner(a, b):
    return math.fsum(p * q for p, q in zip(a, b, strict=True))


def linear(layer, pixel):
    return [inner(row, pixel) for row in layer.weight.flatten(1).tolist()]


def entry(table, offset):
    """The table's row for an offset; beyond its ends, the outermost."""
    middle = (len(table) - 1) // 2
    return table[max(0, min(len(table) - 1, middle + offset))]


def by_hand(x, module):
    out = torch.empty_like(x)
    _, channels, height, width = x.shape
    size = channels // module.heads
    rows, columns = module.rows.tolist(), module.columns.tolist()
    places = [(i, j) for i in range(height) for j in range(width)]
    for n, sample in enumerate(x):
        queries, keys, values = (
            {(i, j): linear(layer, sample[:, i, j].tolist()) for i, j in places}
            for layer in (module.query, module.key, module.value)
        )
        for h in range(module.heads):
            part = slice(h * size, (h + 1) * size)
            for i, j in places:
                logits = []
                for a, b in places:
                    position = zip(entry(rows, a - i), entry(columns, b - j), strict=True)
                    near = [k + r + c for k, (r, c) in zip(keys[a, b][part], position, strict=True)]
                    logits.append(inner(queries[i, j][part], near) / math.sqrt(size))
                raised = [math.exp(v - max(logits)) for v in logits]
                for c in range(h * size, (h + 1) * size):
                    column = [values[p][c] for p in places]
                    out[n, c, i, j] = inner(raised, column) / math.fsum(raised)
    return out


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("size", [(3, 4), (5, 6), (2, 2)])
def test_it_is_the_authors_equation_for_maps_of_its_size_smaller_and_larger(
    size, heads, moved, drawn
):
    module, x = moved(regard.get("bot_mhsa", 4, heads, size)), drawn(2, 4, 3, 4)
    torch.testing.assert_close(module(x), by_hand(x, module), rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count):
    assert count(regard.get("bot_mhsa", 512, device="meta")) == 793_344
    made = count(regard.get("bot_mhsa", 64, 4, (7, 5), device="meta"))
    assert made == 3 * 64**2 + (13 + 9) * 16


def test_a_smaller_map_uses_the_middle_of_the_tables(moved, drawn):
    large, x = moved(regard.get("bot_mhsa", 8, 2, 6)), drawn(2, 8, 3, 4)
    small = regard.get("bot_mhsa", 8, 2, (3, 4)).double()
    state = large.state_dict()
    state["rows"], state["columns"] = state["rows"][3:8], state["columns"][2:9]
    small.load_state_dict(state)
    torch.testing.assert_close(small(x), large(x))


def test_with_empty_tables_it_is_multi_head_attention(moved, drawn):
    module, x = moved(regard.get("bot_mhsa", 8, 2, 4)), drawn(2, 8, 4, 3)
    module.rows.data.zero_()
    module.columns.data.zero_()
    plain = regard.get("multihead", 8, heads=2).double()
    for name in ("query", "key", "value"):
        getattr(plain, name).weight.data = getattr(module, name).weight.data.flatten(1)
    plain.output.weight.data = torch.eye(8).double()
    torch.testing.assert_close(module(x), plain(x))


def test_only_relative_positions_count(moved, drawn):
    module = moved(regard.get("bot_mhsa", 8, 2, 4))
    query = drawn(1, 2, 1, 1, 4).expand(-1, -1, 5, 3, -1)
    logits = module.positions(query).unflatten(3, (5, 3)).unflatten(2, (5, 3))
    torch.testing.assert_close(logits[:, :, 1:, :, 1:], logits[:, :, :-1, :, :-1])
    torch.testing.assert_close(logits[:, :, :, 1:, :, 1:], logits[:, :, :, :-1, :, :-1])


def test_the_start_is_that_of_the_authors_code(drawn):
    torch.manual_seed(0)
    module = regard.get("bot_mhsa", 256)
    for layer in (module.query, module.key, module.value):
        assert abs(layer.weight.std().item() - 0.01) < 3e-4
    for table in (module.rows, module.columns):
        assert abs(table.std().item() - 0.125) < 0.01
    x = drawn(2, 8, 4, 3)
    assert torch.equal(regard.get("bot_mhsa", 8, start="identity").double()(x), x)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"heads": 3}, "3 heads do not divide a width of 64"),
        ({"size": 0}, "size is 0"),
        ({"size": (7, 7, 7)}, r"size is \(7, 7, 7\)"),
    ],
)
def test_what_cannot_be_built_is_an_error(given, words):
    with pytest.raises(RegardError, match=words):
        regard.get("bot_mhsa", 64, **given)


def test_the_input_can_be_added_from_the_papers_start_too(moved, drawn):
    plain, added = (moved(regard.get("bot_mhsa", 16, residual=r)) for r in (None, True))
    x = drawn(2, 16, 5, 4)
    torch.testing.assert_close(added(x), x + plain(x))
