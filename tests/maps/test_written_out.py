"""Attention whose softmax, or whose way to the values, is written in an unusual way."""

import pytest
import torch
from torch import nn

from regard.maps import Keep, record


@pytest.fixture
def operands():
    numbers = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, 4, 5, generator=numbers), torch.randn(2, 3, 5, 6, generator=numbers)


class Product(nn.Module):
    """Values weighed with what some function makes of scores."""

    def __init__(self, weigh):
        super().__init__()
        self.weigh = weigh

    def forward(self, scores, values):
        return self.weigh(scores) @ values


def hard(scores):
    """One for the greatest, with the gradient of the softmax: a straight-through estimate."""
    soft = scores.softmax(-1)
    index = soft.max(-1, keepdim=True)[1]
    return torch.zeros_like(scores).scatter_(-1, index, 1.0) - soft.detach() + soft


@pytest.mark.parametrize(
    "weigh",
    [
        lambda x: torch.exp(x - torch.logsumexp(x, -1, keepdim=True)),
        lambda x: x.log_softmax(-1).exp(),
        lambda x: (e := (x - x.amax(-1, keepdim=True)).exp()) / e.sum(-1, keepdim=True),
        lambda x: torch.zeros_like(x) + x.softmax(-1),
    ],
)
def test_a_softmax_written_out_is_one(operands, weigh):
    with record(model := Product(weigh)) as found:
        model(*operands)
    (seen,) = found
    assert seen.kind == "weights"
    torch.testing.assert_close(seen.values, operands[0].softmax(-1))


def test_a_hard_choice_is_seen_as_it_was_used(operands):
    with record(model := Product(hard)) as found:
        model(*operands)
    (seen,) = found
    torch.testing.assert_close(seen.values, nn.functional.one_hot(operands[0].argmax(-1), 5) * 1.0)


@pytest.mark.parametrize(
    "weigh",
    [
        lambda x: x.exp(),
        lambda x: x.exp() / x.sum(-1, keepdim=True),
        lambda x: x - torch.logsumexp(x, -1, keepdim=True),
        lambda x: x.relu() / x.relu().sum(-1, keepdim=True),
    ],
)
def test_what_is_no_softmax_is_none(operands, weigh):
    with record(model := Product(weigh)) as found:
        model(*operands)
    assert found == []


def test_a_band_of_weights_is_followed_through_padding_and_striding():
    """Each of four queries looks at three keys, skewed to a matrix as sliding windows are."""

    class Band(nn.Module):
        def forward(self, scores, values):
            rows = nn.functional.pad(scores.softmax(-1), (0, 4)).flatten(1)[:, :-4]
            return rows.as_strided((1, 4, 6), (24, 6, 1)) @ values

    scores, values = torch.randn(1, 4, 3), torch.randn(1, 6, 2)
    with record(model := Band()) as found:
        out = model(scores, values)
    (seen,) = found
    by_hand = torch.zeros(4, 6)
    for row in range(4):
        by_hand[row, row : row + 3] = scores[0, row].softmax(-1)
    torch.testing.assert_close(seen.values[0], by_hand)
    torch.testing.assert_close(seen.values @ values, out)


class Summing(nn.Module):
    """Vectors times one weight each, added up, as additive attention is often written."""

    def __init__(self, axis):
        super().__init__()
        self.axis = axis

    def forward(self, scores, values):
        return (scores.softmax(self.axis) * values).sum(self.axis)


@pytest.mark.parametrize(
    ("scores", "values", "axis", "order"),
    [
        ((2, 5, 1), (2, 5, 3), 1, (0, 2, 1)),
        ((5, 2, 1), (5, 2, 3), 0, (1, 2, 0)),
        ((1, 5, 1), (1, 5, 3), 1, (0, 2, 1)),
    ],
)
def test_one_weight_for_each_vector_is_a_query_over_keys(scores, values, axis, order):
    torch.manual_seed(0)
    scores, values = torch.randn(scores, requires_grad=True), torch.randn(values)
    with record(model := Summing(axis), gradients=True) as found:
        out = model(scores, values)
    (seen,) = found
    assert seen.kind == "weights"
    torch.testing.assert_close(seen.values, scores.softmax(axis).detach().permute(order))
    torch.testing.assert_close((seen.values @ values.movedim(axis, 1))[:, 0], out.detach())
    out.sum().backward()
    torch.testing.assert_close(seen.gradient, values.sum(-1).movedim(axis, 1)[:, None])


@pytest.mark.parametrize("width", [3, 30])
def test_so_are_weights_of_several_queries_at_once(width):
    scores, values = torch.randn(2, 4, 5, 1), torch.randn(2, 1, 5, width)
    with record(model := Summing(2)) as found:
        model(scores, values)
    (seen,) = found
    assert seen.kind == "weights"
    torch.testing.assert_close(seen.values, scores.softmax(2)[..., 0])


def test_branch_weights_stay_branch_weights():
    scores, maps = torch.randn(2, 3, 8, 1, 1), torch.randn(2, 3, 8, 4, 4)
    with record(model := Summing(1), Keep()) as found:
        model(scores, maps)
    assert [seen.kind for seen in found] == ["shares"]
