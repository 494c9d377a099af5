"""Starts that are none, or cannot be left: each is caught by its rule."""

import torch
from torch import nn

from regard.checks import check


def test_zero_weights_behind_a_zero_scale_are_a_saddle(caught, gate):
    class Broken(gate):
        def __init__(self, channels, *, start="paper"):
            super().__init__(channels, start=start)
            self.norm = nn.BatchNorm1d(channels)
            if start == "identity":
                nn.init.zeros_(self.norm.weight)

        def gate(self, x, mask):
            hidden = torch.relu(self.hidden(self.mean(x, mask)))
            gate = torch.sigmoid(self.norm(self.expand(hidden)))
            return (2 * gate if self.start == "identity" else gate)[:, :, None, None]

    words = "no gradient reaches hidden.weight, hidden.bias, expand.weight"
    caught("departure", Broken, words)


def test_a_scale_of_zero_alone_is_left_in_two_steps(make_card, gate):
    class Normed(gate):
        def __init__(self, channels, *, start="paper"):
            super().__init__(channels)
            self.start, self.norm = start, nn.BatchNorm1d(channels)
            if start == "identity":
                nn.init.zeros_(self.norm.weight)

        def gate(self, x, mask):
            hidden = torch.tanh(self.hidden(self.mean(x, mask)))
            gate = torch.sigmoid(self.norm(self.expand(hidden)))
            return (2 * gate if self.start == "identity" else gate)[:, :, None, None]

    report = check(make_card(Normed), ["identity", "departure"])
    assert [o.status for o in report.outcomes] == ["passed"] * 2, report.table()


def test_a_start_that_cannot_be_left(caught, gate):
    class Broken(gate):
        def __init__(self, channels, *, start="paper"):
            super().__init__(channels, start=start)
            for parameter in self.parameters():
                nn.init.zeros_(parameter)
            self.expand.bias.requires_grad_(False)

    caught("departure", Broken, "no parameter receives a gradient after 0 steps")


class Residual(nn.Module):
    """A layer on each pixel, and the input with it where that is wanted."""

    def __init__(self, channels, *, residual=None, start="paper"):
        super().__init__()
        self.layer = nn.Conv2d(channels, channels, 1)
        if start == "identity":
            nn.init.zeros_(self.layer.weight)
            nn.init.zeros_(self.layer.bias)
        self.residual = start == "identity" if residual is None else residual

    def forward(self, x):
        out = self.layer(x)
        return x + out if self.residual else out


class Silent(Residual):
    """The same without the option."""

    def __init__(self, channels, *, start="paper"):
        super().__init__(channels, start=start)


def test_a_residual_that_plug_cannot_ask_for(caught):
    caught("residual", Silent, "it has no option residual", start="residual")


def test_a_residual_by_option_or_always(make_card):
    class Always(Silent):
        def __init__(self, channels, *, start="paper"):
            super().__init__(channels, start=start)
            self.residual = True

    for kind in (Residual, Always):
        report = check(make_card(kind, start="residual"), ["residual", "identity", "departure"])
        assert [o.status for o in report.outcomes] == ["passed"] * 3, report.table()


def test_a_residual_of_something_else_than_the_input(caught):
    class Broken(Residual):
        def forward(self, x):
            return self.layer(x) + (torch.relu(x) if self.residual else 0)

    caught("residual", Broken, "is not residual=False plus the input", start="residual")
