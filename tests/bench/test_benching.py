from dataclasses import replace

import pytest
import torch
from torch import nn

from regard.bench import bench, benching
from regard.bench.benching import contenders_of
from regard.bench.cases import cases, options_for
from regard.bench.rounds import LEAST
from regard.catalogue import card, get, names
from regard.checks.specimen import SIZES
from regard.comparison.arms import Arm
from regard.errors import RegardError


def test_modules_are_timed_by_turns(scope):
    steps = []
    found = bench(scope, steps.append)
    assert found.passed
    assert [row.case.mode for row in found.rows] == 2 * ["inference", "in place", "training"]
    for row in found.rows:
        assert row.rounds >= LEAST
        ours = row.entry("ours")
        assert 0 < ours.ms.lower <= ours.ms.median <= ours.ms.upper
        assert row.entry("copy").ratio.median > 0
        assert ours.peak_bytes is not None  # in place it may be nothing
        assert (ours.saved_bytes is None) is not row.case.training
    assert [step.partition(" ")[0] for step in steps] == 6 * ["checking"] + list("123456")


def builds(name, size):
    """Whether the mechanism takes so many channels, with no more options than it must have."""
    try:
        get(name, size, **options_for(Arm(label=name, mechanism=name), 2))
    except RegardError:
        return False
    return True


@pytest.mark.parametrize("name", names())
def test_every_mechanism_is_right_and_timed(scope, name):
    if card(name).takes not in ("map", "tokens"):
        pytest.skip("refused, see test_cases.py")
    size = next(size for size in SIZES if builds(name, size))
    shape = (2, 6, size) if card(name).takes == "tokens" else (2, size, 8, 8)
    found = bench(replace(scope, mechanisms=name, shapes=(shape,), without=("compiled", "timm")))
    assert found.passed, found.table()
    assert all(row.entry("ours") and row.entry("plain") for row in found.rows)


def test_a_wrong_kernel_gives_no_timing_at_all(scope, wrong_kernel, monkeypatch):
    monkeypatch.setattr(benching, "elapsed_ms", None)  # calling it would fail
    found = bench(replace(scope, mechanisms="additive,se", shapes=((2, 16, 6, 6), (2, 6, 16))))
    assert not found.passed
    assert found.rows == ()
    assert {wrong.case.mechanism for wrong in found.wrong} == {"se"}


def test_one_sample_under_batch_normalisation_is_said(scope):
    with pytest.raises(RegardError, match=r"bam_channel, 1×16×6×6, .*, training: .* batch of 2"):
        bench(replace(scope, mechanisms="bam_channel", shapes=((1, 16, 6, 6),)))


class Compiled(nn.Module):
    def __init__(self, module, error):
        super().__init__()
        self.module, self.error = module, error

    def forward(self, x):
        return self.module(x) + self.error


@pytest.mark.parametrize("error", [0.0, 1.0])
def test_a_compiler_that_computes_something_else_is_not_timed(scope, monkeypatch, error):
    monkeypatch.setattr(torch, "compile", lambda module, dynamic: Compiled(module, error))
    found = bench(replace(scope, without=("timm",)))
    assert found.passed is (error == 0)
    for row in found.rows:
        timed = row.entry("compiled") is not None
        assert timed is (error == 0 and row.case.mode != "in place")
        assert row.entry("ours")
    assert ("compiled is wrong" in found.table()) is (error != 0)


def test_networks_and_growth(scope, monkeypatch):
    monkeypatch.setattr("regard.bench.cases._FACTORS", (0.25, 0.5))
    monkeypatch.setattr("regard.bench.cases._HALVES", (0.25, 0.5))
    found = bench(replace(scope, parts=("networks", "growth"), batch=2, size=16, shapes=()))
    assert found.passed
    networks = [row for row in found.rows if row.case.host]
    assert len(networks) == 4
    assert all(row.entry("host") for row in networks)
    assert "grows" in found.table()
    assert "<figure" in found.html()


def test_who_runs(case, scope):
    scope = replace(scope, without=())
    assert contenders_of(case, scope) == ("plain", "ours", "compiled", "timm", "copy")
    assert "compiled" not in contenders_of(replace(case, mode="in place"), scope)
    assert contenders_of(replace(case, along="batch"), scope) == ("plain", "ours", "timm")
    assert contenders_of(replace(case, host="small"), scope)[0] == "host"
    assert contenders_of(case, replace(scope, without=("timm", "copy")))[-1] == "compiled"


def test_in_short_networks_are_not_compiled_and_it_says_so(scope, monkeypatch):
    monkeypatch.setattr(torch, "compile", None)
    monkeypatch.setattr(benching, "cases", lambda s: [c for c in every(s) if c.host][:1])
    every = cases
    found = bench(replace(scope, parts=(), batch=2, size=16, without=()))
    assert "only where --networks asks" in found.table()


def test_a_gpu_that_is_not_there_is_said(scope):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(RegardError, match="no GPU"):
        bench(replace(scope, device="cuda"))


def test_threads_are_set_back(scope):
    before = torch.get_num_threads()
    found = bench(replace(scope, threads=1, without=("compiled", "timm")))
    assert found.conditions["threads"] == 1
    assert "cores" in found.conditions["load at the start"]
    assert torch.get_num_threads() == before
