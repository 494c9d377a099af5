import math

import pytest
import torch

import regard
from regard.errors import RegardError


def inner(a, b):
    return math.fsum(p * q for p, q in zip(a, b, strict=True))


def affine(layer, pixel):
    rows, biases = layer.weight.flatten(1).tolist(), layer.bias.tolist()
    return [b + inner(row, pixel) for row, b in zip(rows, biases, strict=True)]


def cross(i, j, height, width):
    """The places of a pixel's column and row, itself once."""
    return [(a, j) for a in range(height)] + [(i, b) for b in range(width) if b != j]


def pass_by_hand(x, module):
    out = torch.empty_like(x)
    _, channels, height, width = x.shape
    for n, sample in enumerate(x):
        for i in range(height):
            for j in range(width):
                places = [sample[:, a, b].tolist() for a, b in cross(i, j, height, width)]
                query = affine(module.query, sample[:, i, j].tolist())
                logits = [inner(query, affine(module.key, p)) for p in places]
                raised = [math.exp(v - max(logits)) for v in logits]
                values = [affine(module.value, p) for p in places]
                for c in range(channels):
                    gathered = inner(raised, [v[c] for v in values]) / sum(raised)
                    out[n, c, i, j] = module.gamma.item() * gathered + sample[c, i, j]
    return out


@pytest.mark.parametrize("recurrence", [1, 2, 3])
def test_it_is_the_papers_equation_so_many_times(recurrence, moved, drawn):
    module = moved(regard.get("criss_cross", 4, 2, recurrence=recurrence))
    x = 0.5 * drawn(2, 4, 3, 4)
    wanted = x
    for _ in range(recurrence):
        wanted = pass_by_hand(wanted, module)
    torch.testing.assert_close(module(x), wanted, rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters_whatever_the_recurrence(count, table):
    made = [count(regard.get("criss_cross", c, device="meta")) for c in table]
    assert made == [5201, 20641, 82241, 328321, 1312001, 5245441]
    assert count(regard.get("criss_cross", 64, recurrence=1)) == 5201


@pytest.mark.parametrize("start", ["paper", "identity"])
def test_it_begins_as_the_identity(start, drawn):
    x = drawn(2, 8, 4, 3)
    assert torch.equal(regard.get("criss_cross", 8, start=start).double()(x), x)


def test_a_pixel_attends_to_its_row_and_column_and_counts_itself_once(moved, drawn):
    module, x = moved(regard.get("criss_cross", 8)), drawn(2, 8, 4, 3)
    weights = module.weights(x)
    assert weights.shape == (2, 4, 3, 4 + 3)
    torch.testing.assert_close(weights.sum(3), torch.ones(2, 4, 3).double())
    for i in range(4):
        assert not weights[:, i, :, i].any()
    assert (weights.count_nonzero(dim=3) == 4 + 3 - 1).all()


def reached(module, drawn):
    """The places whose change moves the output at (1, 1)."""
    x = drawn(1, 8, 4, 5).requires_grad_()
    module(x)[0, :, 1, 1].sum().backward()
    return x.grad[0].abs().sum(0) > 0


def test_one_pass_sees_the_cross_and_two_see_everything(moved, drawn):
    once = reached(moved(regard.get("criss_cross", 8, recurrence=1)), drawn)
    wanted = torch.zeros(4, 5, dtype=torch.bool)
    wanted[1], wanted[:, 1] = True, True
    assert torch.equal(once, wanted)
    assert reached(moved(regard.get("criss_cross", 8)), drawn).all()


def test_a_map_of_one_row_is_attention_over_all_its_pixels(moved, drawn):
    crossed = moved(regard.get("criss_cross", 8, recurrence=1))
    everywhere = regard.get("danet_position", 8).double()
    everywhere.load_state_dict(crossed.state_dict())
    for shape in ((2, 8, 1, 7), (2, 8, 7, 1)):
        x = drawn(*shape)
        torch.testing.assert_close(crossed(x), everywhere(x))


def test_no_pass_is_an_error():
    with pytest.raises(RegardError, match="recurrence is 0"):
        regard.get("criss_cross", 64, recurrence=0)
