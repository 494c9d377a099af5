"""A forward is read as it is: small modules whose flow is known."""

import pytest
import torch
from torch import nn

import regard
from regard.handbook.simplifying import simplify
from regard.handbook.tracing import trace
from regard.ops import Step, attend, gate


class Squeezed(nn.Module):
    def __init__(self, channels, *, device=None, dtype=None):
        super().__init__()
        self.linear = nn.Linear(channels, channels, device=device, dtype=dtype)

    def forward(self, x):
        return gate(x, Step("space", ("mean", "max"), self.excite))

    def excite(self, mean, largest):
        return torch.sigmoid(self.linear((mean + largest).flatten(1)))


class InPlace(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x):
        unused = x.exp()  # noqa: F841
        y = self.conv(x).relu_()
        y *= self.weight
        y += 1
        y -= x
        return y.mT.mT


class Twins(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(dim, dim) for _ in range(3))

    def forward(self, query):
        return attend(self.a(query), self.b(query), self.c(query), "cosine", (torch.zeros(1),))


def steps_of(card):
    return [(s.kind, s.items, s.sources, s.count) for s in simplify(trace(card))]


def test_a_gate_is_squeezed_excited_and_modulated(card_of):
    assert steps_of(card_of(Squeezed)) == [
        ("input", ("x",), (), 1),
        ("squeeze", ("mean and max over space",), (0,), 1),
        ("combine", ("+",), (1,), 1),
        ("excite", ("linear", "σ"), (2,), 1),
        ("modulate", ("×",), (0, 3), 1),
        ("output", ("output",), (4,), 1),
    ]


def test_writing_in_place_is_followed_and_what_is_not_used_is_left_out(card_of):
    assert steps_of(card_of(InPlace)) == [
        ("input", ("x",), (), 1),
        ("layers", ("conv 3×3, each channel", "ReLU", "× learned", "shift"), (0,), 1),
        ("combine", ("−",), (1, 0), 1),
        ("output", ("output",), (2,), 1),
    ]


def test_equal_steps_side_by_side_are_one_with_their_number(card_of):
    card = card_of(Twins, takes="tokens", family=("tokens",))
    assert steps_of(card) == [
        ("input", ("query",), (), 1),
        ("layers", ("linear",), (0,), 3),
        ("attend", ("cosine",), (1,), 1),
        ("output", ("output",), (2,), 1),
    ]


def test_the_shapes_are_those_of_the_forward(card_of):
    flow = trace(card_of(Squeezed))
    assert flow.inputs == "x [2, 64, 7, 5]"
    assert [step.shapes for step in simplify(flow)][1:4] == [((2, 64, 1, 1),)] * 2 + [((2, 64),)]
    assert flow.shape == (2, 64, 7, 5)


@pytest.mark.parametrize("name", regard.names())
def test_every_mechanism_leads_from_its_inputs_to_its_output(name):
    card = regard.card(name)
    flow = trace(card)
    steps = simplify(flow)
    assert steps == simplify(trace(card))
    *before, end = steps
    assert end.kind == "output"
    assert all(source < place for place, s in enumerate(steps) for source in s.sources)
    used = {source for s in steps for source in s.sources}
    assert used == set(range(len(before))) or card.takes in ("position", "maps")
    reached = set()
    for place in reversed(range(len(steps))):
        if place == len(steps) - 1 or place in reached:
            reached |= set(steps[place].sources)
    inputs = {p for p, s in enumerate(steps) if s.kind == "input"}
    assert inputs & reached


class Products(nn.Module):
    def __init__(self, channels):
        super().__init__()

    def forward(self, x):
        rows = x.flatten(2)
        return (rows @ rows.mT @ rows).view_as(x) + x * x


def test_a_product_with_itself_is_no_scaling(card_of):
    assert steps_of(card_of(Products))[1:-1] == [
        ("combine", ("matrix product",), (0,), 1),
        ("combine", ("matrix product",), (1, 0), 1),
        ("compute", ("square",), (0,), 1),
        ("combine", ("+",), (2, 3), 1),
    ]
