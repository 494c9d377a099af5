import torch
from torch import nn

from regard.bench import peaks
from regard.bench.contenders import contender, copy_of
from regard.bench.peaks import peak_of, saved_by

CPU = torch.device("cpu")


class Twice(nn.Module):
    """Makes one tensor that is dropped, and one that is returned."""

    def forward(self, x):
        return (x + 1).exp()


def test_the_peak_counts_what_is_dropped_again():
    x = torch.zeros(1000)
    peak = peak_of(contender(Twice(), (x,)), CPU)
    assert 2 * x.nbytes <= peak < 3 * x.nbytes


def test_what_is_kept_for_backward():
    x = torch.zeros(1000, requires_grad=True)
    made = contender(Twice(), (x,), torch.ones(1000))
    assert saved_by(made) == x.nbytes  # exp keeps its result
    assert peak_of(made, CPU) >= 2 * x.nbytes


def test_nothing_is_kept_without_a_backward_or_a_module():
    assert saved_by(contender(Twice(), (torch.zeros(3),))) is None
    assert saved_by(copy_of(torch.zeros(3))) is None
    assert peak_of(copy_of(torch.zeros(1000)), CPU) == 0


def test_a_pytorch_that_does_not_tell_leaves_it_open(monkeypatch):
    monkeypatch.setattr(peaks, "import_module", lambda name: object())
    assert peak_of(copy_of(torch.zeros(3)), CPU) is None
