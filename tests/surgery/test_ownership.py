"""Where a mechanism may write over its site's output, and every case where it must not."""

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

import regard
from regard.maps import record
from regard.surgery import ownership


class View(nn.Module):
    def forward(self, x):
        return x[:, :, 1:]


class Kept(nn.Conv2d):
    """Keeps what it made."""

    def forward(self, x):
        self.made = super().forward(x)
        return self.made


def plugged(site):
    """A host with one site behind a convolution."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), site, nn.Flatten())
    regard.plug(model, "se", "1", example=torch.randn(2, 3, 9, 9), start="paper")
    return model.eval()


def written_over(model, x, monkeypatch):
    """The output, and whether the site's own output was written over."""
    seen, alone = [], ownership.is_ours_alone

    def noted(site, output):
        seen.append((output, output.clone()))
        return alone(site, output)

    monkeypatch.setattr("regard.surgery.carrier.is_ours_alone", noted)
    y = model(x)
    monkeypatch.undo()
    return y, any(not torch.equal(*pair) for pair in seen)


@pytest.mark.parametrize("site", [nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.GroupNorm(2, 8)])
def test_behind_modules_that_make_a_new_tensor(site, monkeypatch):
    model, x = plugged(site), torch.randn(2, 3, 9, 9)
    wanted = model(x).detach()
    with torch.no_grad():
        got, over = written_over(model, x, monkeypatch)
    assert over
    torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize(
    "site",
    [
        nn.Identity(), View(), Kept(8, 8, 1), nn.Dropout(), nn.Sequential(nn.Identity()),
        nn.Flatten(2, 2), nn.ReLU(inplace=True),
    ],
    ids=lambda site: type(site).__name__,
)  # fmt: skip
def test_not_behind_others(site, monkeypatch):
    model, x = plugged(site), torch.randn(2, 3, 9, 9)
    with torch.no_grad():
        assert not written_over(model, x, monkeypatch)[1]


def test_not_with_gradients(monkeypatch):
    model = plugged(nn.Conv2d(8, 8, 1))
    assert not written_over(model, torch.randn(2, 3, 9, 9), monkeypatch)[1]


@pytest.mark.parametrize("first", [True, False], ids=["before ours", "after ours"])
def test_not_where_another_hook_holds_the_output(first, monkeypatch):
    model, kept = plugged(nn.Conv2d(8, 8, 1)), []
    handle = model[1].register_forward_hook(lambda m, a, y: kept.append(y), prepend=first)
    with torch.no_grad():
        assert not written_over(model, torch.randn(2, 3, 9, 9), monkeypatch)[1]
        handle.remove()
        assert written_over(model, torch.randn(2, 3, 9, 9), monkeypatch)[1]


def test_not_under_a_global_hook(monkeypatch):
    model, kept = plugged(nn.Conv2d(8, 8, 1)), []
    handle = register_module_forward_hook(lambda m, a, y: kept.append(y))
    try:
        with torch.no_grad():
            assert not written_over(model, torch.randn(2, 3, 9, 9), monkeypatch)[1]
    finally:
        handle.remove()


def test_not_while_something_records_or_traces(monkeypatch):
    model, x = plugged(nn.Conv2d(8, 8, 1)), torch.randn(2, 3, 9, 9)
    with torch.no_grad():
        with record(model):
            assert not written_over(model, x, monkeypatch)[1]
        with FlopCounterMode(display=False):
            assert not written_over(model, x, monkeypatch)[1]
        wanted = model(x)
        torch.testing.assert_close(torch.fx.symbolic_trace(model)(x), wanted)
        compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(compiled(x), wanted)
        torch.testing.assert_close(torch.func.vmap(model)(x[None])[0], wanted)


def test_the_input_of_a_site_is_never_written_over():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 1)).eval()
    regard.plug(
        model, "se", "1", before=True, example=torch.randn(2, 3, 9, 9), start="paper"
    )  # fmt: skip
    kept = []
    model[0].register_forward_hook(lambda m, a, y: kept.append((y, y.clone())))
    with torch.no_grad():
        model(torch.randn(2, 3, 9, 9))
    assert torch.equal(*kept[0])


def test_reentrant_checkpointing_gives_the_same_gradients():
    """It runs the forward without gradients first, by one kernel, then again with them."""
    found = []
    for use in (False, True):
        torch.manual_seed(1)
        model = plugged(nn.Conv2d(8, 8, 1))
        x = torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(1)).requires_grad_()
        y = checkpoint(model, x, use_reentrant=True) if use else model(x)
        y.square().sum().backward()
        found.append([x.grad, *(p.grad for p in model.parameters())])
    for once, again in zip(*found, strict=True):
        torch.testing.assert_close(again, once)


def test_a_mechanism_that_still_needs_the_map_keeps_it():
    class Residual(nn.Module):
        def __init__(self, channels, name):
            super().__init__()
            self.inner = regard.get("se", channels)

        def forward(self, x):
            return x + self.inner(x * 1)

    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3)).eval()
    x = torch.randn(2, 3, 9, 9)
    regard.plug(model, Residual, "0", example=x)
    wanted = model(x).detach()
    with torch.no_grad():
        torch.testing.assert_close(model(x), wanted)
