"""Gates that give wrong values or touch what is not theirs: each is caught by its rule."""

import torch
import torch.nn.functional as F
from torch import nn

from regard.checks import check


def test_only_even_sizes(caught, gate):
    class Broken(gate):
        def forward(self, x, mask=None):
            return super().forward(F.pad(x, (0, x.shape[3] % 2)))

    caught("shape", Broken, "is due")


def test_unbiased_spread_of_one_pixel(caught, gate):
    class Broken(gate):
        def mean(self, x, mask):
            return x.std((2, 3))

    caught("shape", Broken, "NaN or infinite")


def test_no_hidden_unit_for_few_channels(caught, gate):
    class Broken(gate):
        def __init__(self, channels, *, device=None, dtype=None):
            super().__init__(channels, device=device, dtype=dtype)
            self.hidden = nn.Linear(channels, channels // 4)
            self.expand = nn.Linear(channels // 4, channels)

    caught("alive", Broken, "at size 2 it is linear")


def test_softmax_over_the_batch(caught, gate):
    class Broken(gate):
        def gate(self, x, mask):
            return self.mean(x, mask).softmax(0)[:, :, None, None]

    caught("batch", Broken, "with and without the others")


def test_view_of_an_empty_batch(caught, gate):
    class Broken(gate):
        def mean(self, x, mask):
            return x.reshape(x.shape[0], self.channels, -1).mean(-1)

    caught("empty", Broken, "0 elements")


def test_gate_in_place_on_the_input(caught, gate):
    class Broken(gate):
        def forward(self, x, mask=None):
            return x.mul_(self.gate(x, mask))

    caught("input", Broken, "a forward without gradients changes the input")


def test_parameter_changed_by_eval(caught, gate):
    class Broken(gate):
        def forward(self, x, mask=None):
            self.expand.weight = nn.Parameter(self.expand.weight.softmax(0))
            return super().forward(x)

    caught("pure", Broken, "expand.weight")


def test_dropout_in_eval(caught, gate):
    class Broken(gate):
        def forward(self, x, mask=None):
            return F.dropout(super().forward(x), 0.1)

    caught("pure", Broken, "draws from PyTorch's random numbers")


def test_setting_changed_by_forward(caught, gate):
    class Broken(gate):
        def forward(self, x, mask=None):
            torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark
            return super().forward(x)

    caught("globals", Broken, "cuDNN's flags")


def test_setting_changed_by_the_constructor(caught, gate):
    class Broken(gate):
        def __init__(self, channels):
            torch.set_default_dtype(torch.float64)
            super().__init__(channels)

    caught("globals", Broken, "building it changes the default dtype")


def test_seeded_constructor(caught, gate):
    class Broken(gate):
        def __init__(self, channels):
            torch.manual_seed(0)
            super().__init__(channels)

    caught("globals", Broken, "seeds")


def test_view_of_strided_memory(caught, gate):
    class Broken(gate):
        def mean(self, x, mask):
            return x.view(x.shape[0], x.shape[1], -1).mean(-1)

    caught("strides", Broken, "view")


def test_memory_read_as_if_contiguous(caught, gate):
    class Broken(gate):
        def mean(self, x, mask):
            size = (x.shape[0], x.shape[1], x.shape[2] * x.shape[3])
            strides = (size[1] * size[2], size[2], 1)
            return x.as_strided(size, strides).mean(-1)

    caught("strides", Broken, "differs")


def test_softmax_over_the_batch_in_training_alone(caught, gate):
    class Broken(gate):
        def gate(self, x, mask):
            gate = super().gate(x, mask)
            return gate.softmax(0) if self.training else gate

    caught("batch", Broken, "with and without the others")


def test_a_batch_normalisation_may_see_the_batch_in_training(make_card, gate):
    class Normed(gate):
        def __init__(self, channels, *, device=None, dtype=None):
            super().__init__(channels, device=device, dtype=dtype)
            self.norm = nn.BatchNorm2d(channels, device=device, dtype=dtype)

        def mean(self, x, mask):
            return super().mean(self.norm(x), mask)

    assert check(make_card(Normed), ["batch"]).passed
