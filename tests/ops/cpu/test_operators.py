import pytest
import torch
from torch.library import opcheck

from regard.ops import attend, using, warp
from regard.ops.attention import reference_attend
from regard.ops.cpu import operators


def drawn(*shape, seed=0, grad=False):
    made = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return made.requires_grad_(grad)


def sources(groups=4, queries=5, keys=7, hidden=9, size=6, scale=1.0):
    query, key = drawn(groups, queries, hidden), drawn(groups, keys, hidden, seed=1)
    value, v = drawn(groups, keys, size, seed=2), drawn(2, hidden, seed=3)
    return [t.detach().requires_grad_() for t in (scale * query, scale * key, value, v)]


MASK = drawn(2, 2, 5, 7, seed=4) > -0.5


@pytest.mark.parametrize("scale", [1.0, 30.0], ids=["near", "far"])
@pytest.mark.parametrize("mask", [None, MASK, MASK[:, :, :1]], ids=["", "mask", "mask of keys"])
@pytest.mark.parametrize("causal", [False, True], ids=["", "causal"])
def test_pytorch_finds_nothing_wrong_with_additive_attention(scale, mask, causal):
    given = sources(scale=scale)
    opcheck(operators.attend_additive, (given, mask, causal))
    still = [t.detach() for t in given]
    results = list(operators.attend_additive(still, mask, causal))
    backward = (drawn(4, 5, 6, seed=5), still, results, mask, causal)
    opcheck(operators.attend_additive_backward, backward)


@pytest.mark.parametrize("scale", [1.0, 30.0], ids=["near", "far"])
@pytest.mark.parametrize("causal", [False, True], ids=["", "causal"])
def test_gradients_of_additive_attention_are_those_of_the_plain_form(scale, causal):
    given, eye = sources(scale=scale), torch.eye(9)[None]

    def plain(query, key, value, v):
        heads = [t.unflatten(0, (2, 2)) for t in (query, key, value)]
        out = reference_attend(*heads, "additive", (eye, eye, v), mask=MASK, causal=causal)
        return out.flatten(0, 1)

    def ours(*given):
        return operators.attend_additive(list(given), MASK, causal)[0]

    for got, wanted in zip(gradients(ours, given), gradients(plain, given), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 1, 1, 1), (3, 2, 4, 4)], ids=str)
@pytest.mark.parametrize("size", [(6, 4), (1, 9)], ids=str)
def test_pytorch_finds_nothing_wrong_with_warp(shape, size):
    x, theta = drawn(*shape, grad=True), drawn(shape[0], 2, 3, seed=1, grad=True)
    opcheck(operators.warp, (x, theta, *size))
    dy = drawn(*shape[:2], *size, seed=2)
    opcheck(operators.warp_backward, (x.detach(), theta.detach(), dy))


def gradients(run, given):
    given = [t.detach().requires_grad_() for t in given]
    out = run(*given)
    out.square().sum().backward()
    return [out.detach(), *(t.grad for t in given)]


@pytest.fixture
def calls(monkeypatch):
    """Names of the operators that were called."""
    found = []
    for module, name in ((operators.attention, "forward"), (operators.warping, "forward")):
        before, label = getattr(module, name), module.__name__.rpartition(".")[2]

        def keep(*given, of=label, run=before):
            found.append(of)
            return run(*given)

        monkeypatch.setattr(module, name, keep)
    return found


@pytest.mark.parametrize("heads", [(), (3,)], ids=["one", "three heads"])
def test_compiled_code_calls_additive_attention(heads, calls):
    dim = 8
    w, u = (drawn(*(heads or (1,)), dim, 9, seed=s) for s in (5, 6))
    learned = (w, u, drawn(*(heads or (1,)), 9, seed=7))
    mask = drawn(2, 6, seed=8) > -1
    given = [drawn(2, *heads, n, dim, seed=s) for s, n in ((1, 4), (2, 6), (3, 6))]

    def run(query, key, value):
        return attend(query, key, value, "additive", learned, mask=mask)

    with using("torch"):
        wanted = gradients(run, given)
    compiled = torch.compile(run, backend="aot_eager", fullgraph=True)
    for got, want in zip(gradients(compiled, given), wanted, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)
    assert calls == ["attention"]


def test_compiled_code_calls_warp_for_any_batch(calls):
    compiled = torch.compile(warp, backend="aot_eager", fullgraph=True, dynamic=True)
    for batch in (2, 5, 3):
        given = [drawn(batch, 2, 6, 5), drawn(batch, 2, 3, seed=1)]
        with using("torch"):
            wanted = gradients(warp, given)
        for got, want in zip(gradients(compiled, given), wanted, strict=True):
            torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)
    assert calls == ["warping"] * 3


def test_what_is_exported_is_the_plain_form(calls):
    class Warp(torch.nn.Module):
        def forward(self, x, theta):
            return warp(x, theta)

    given = drawn(2, 3, 5, 6), drawn(2, 2, 3)
    exported = torch.export.export(Warp(), given)
    assert not calls
    assert "regard" not in str(exported.graph)


def test_second_derivatives_of_compiled_code_are_refused():
    x, theta = drawn(2, 2, 6, 5, grad=True), drawn(2, 2, 3, seed=1, grad=True)
    compiled = torch.compile(warp, backend="aot_eager", fullgraph=True)
    (dx,) = torch.autograd.grad(compiled(x, theta).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError):
        torch.autograd.grad(dx.sum(), theta)
