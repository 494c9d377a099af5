from dataclasses import replace

import pytest
import torch
from torch import nn

from regard.bench import material
from regard.bench.fields import field_of

ALL = ("exact", "plain", "ours", "copy")


def test_contenders_share_inputs_and_weights(case, scope):
    field = field_of(case, scope, ALL)
    ours, plain, exact = (field.contenders[n] for n in ("ours", "plain", "exact"))
    assert ours.inputs is plain.inputs
    assert ours.module is plain.module
    assert exact.inputs[0].dtype is torch.float64
    torch.testing.assert_close(exact.inputs[0].float(), ours.inputs[0])
    assert {*ours.results()} == {*exact.results()}


def test_a_seed_gives_the_same_field_and_leaves_the_random_state(case, scope):
    state = torch.get_rng_state()
    one, two, other = (field_of(case, scope, ALL, seed) for seed in (0, 0, 1))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(one.kept[0], two.kept[0])
    assert not torch.equal(one.kept[0], other.kept[0])


def test_in_place_ours_writes_over_the_input_and_it_is_restored(case, scope):
    field = field_of(replace(case, mode="in place"), scope, ALL)
    ours = field.contenders["ours"]
    output = ours.results()["output"]
    assert output.data_ptr() == ours.inputs[0].data_ptr()
    assert not torch.equal(ours.inputs[0], field.kept[0])
    field.restore()
    assert torch.equal(ours.inputs[0], field.kept[0])
    plain = field.contenders["plain"].results()["output"]
    assert plain.data_ptr() != ours.inputs[0].data_ptr()


def test_a_network_without_and_with_the_mechanism(case, scope):
    here = replace(case, part="networks", shape=(2, 3, 16, 16), host="small")
    field = field_of(here, scope, ("exact", "host", "plain", "ours", "timm"))
    host, ours = (set(field.contenders[n].named) for n in ("host", "ours"))
    assert host < ours
    assert "input 0" not in ours
    assert "timm has no small" in field.absent["timm"]


def test_a_compiler_that_fails_is_said(case, scope, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no C++ here")

    monkeypatch.setattr(torch, "compile", fail)
    field = field_of(case, scope, ("plain", "compiled"))
    assert field.absent["compiled"] == "torch.compile fails: RuntimeError: no C++ here"
    assert "compiled" not in field.contenders


def test_compilation_is_over_when_the_field_is_built(case, scope, monkeypatch):
    calls = []

    class Compiled(nn.Module):
        def __init__(self, module):
            super().__init__()
            self._orig_mod = module

        def forward(self, *inputs):
            calls.append(1)
            return self._orig_mod(*inputs)

    monkeypatch.setattr(torch, "compile", lambda module, dynamic: Compiled(module))
    field = field_of(case, scope, ("plain", "compiled"))
    assert calls == [1]
    assert {*field.contenders["compiled"].results()} == {*field.contenders["plain"].results()}


@pytest.mark.parametrize("failing", [True, False])
def test_a_peer_that_fails_or_gives_nothing_finite_is_said(case, scope, monkeypatch, failing):
    class Peer(nn.Module):
        def forward(self, x):
            return x.sum() @ x if failing else x * float("nan")

    monkeypatch.setattr(material, "timm_module", lambda *_: Peer())
    assert "timm's" in field_of(case, scope, ("timm",)).absent["timm"]
