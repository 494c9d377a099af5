"""Small scopes, results made by hand, and kernels that are wrong."""

import pytest
import torch

from regard.bench import Benchmark, Entry, Row, Wrong
from regard.bench.case import Case
from regard.bench.scope import Scope
from regard.bench.statistics import Ratio
from regard.cost import Quartiles
from regard.ops import gating


@pytest.fixture
def scope():
    """Modules alone, on a map of some hundred numbers, for no longer than it must be."""
    return Scope(
        mechanisms="se", parts=("modules",), shapes=((2, 16, 6, 6),), seconds=1e-6, device="cpu",
        without=("compiled",),
    )  # fmt: skip


@pytest.fixture
def case():
    return Case(
        part="modules", mechanism="se", shape=(2, 16, 6, 6), layout="first", mode="training"
    )


@pytest.fixture
def wrong_kernel(monkeypatch):
    """What ours computes is one too large; the plain form is right."""
    right = gating.reference_gate

    def gate(x, *steps, mask=None, over=False):
        made = right(x, *steps, mask=mask, over=over)
        return made + 1 if gating.wants_kernel(x, 1) else made

    monkeypatch.setattr(gating, "wants_kernel", wanted)
    monkeypatch.setattr(gating, "reference_gate", gate)
    monkeypatch.setattr("regard.ops.cpu.gating.joinable", lambda _: False)


def wanted(x, saved):
    from regard.ops import choosing

    return choosing._name() != "torch" and x.dtype is torch.float32


@pytest.fixture
def made():
    """A result: a training in which one contender is absent, a bar of growth, and a wrong one."""
    return Benchmark(tuple(rows()), (), {"torch": "0", "threads": 1})


@pytest.fixture
def red(case):
    return Benchmark((), (Wrong(case, "ours", "the output is off"),), {"torch": "0"})


def rows():
    facts = {"part": "modules", "mechanism": "se", "layout": "first"}
    yield Row(
        case=Case(**facts, shape=(8, 256, 56, 56), mode="training"),
        rounds=11,
        entries=(
            Entry(
                contender="ours", ms=Quartiles(1.0, 2.0, 3.0), saved_bytes=1000, peak_bytes=2000
            ),
            Entry(
                contender="plain", ms=Quartiles(3.0, 4.0, 5.0), ratio=Ratio(0.5, 0.45, 0.55),
                saved_bytes=3000, peak_bytes=6000,
            ),
            Entry(
                contender="copy", ms=Quartiles(0.5, 1.0, 1.5),
                ratio=Ratio(2.0, 0.0, float("inf")), peak_bytes=0,
            ),
            Entry(contender="timm", note="timm has no <b>se</b>"),
        ),
    )  # fmt: skip
    for batch in (1, 2, 4):
        yield Row(
            case=Case(
                **{**facts, "part": "growth"}, shape=(batch, 8, 4, 4), mode="inference",
                along="batch",
            ),
            rounds=11,
            entries=(Entry(contender="ours", ms=Quartiles(1.0, 1.0 * batch, 9.0)),),
        )  # fmt: skip
