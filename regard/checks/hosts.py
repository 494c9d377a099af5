"""The rule on plugging: a small network gets the mechanism, and its output stays what it was."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import using
from ..surgery import Plugged, plug
from .rule import Broken, require, require_finite, require_same, rule
from .specimen import Specimen, specimen

CONVOLUTIONS: dict[int, Any] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


@rule("plug", "map", "tokens")
def plugs(card: Card) -> None:
    """Plugged into a network it changes nothing at an identity start, learns, and goes again.

    What cannot start as the identity is refused until ``start="paper"`` is said.
    """
    # A waiver makes plug refuse; whether it is true is seen without it.
    card = replace(card, waives={k: why for k, why in card.waives.items() if k != "plug"})
    subject = specimen(card)
    host, (x, *_) = _host(subject), (x.float() for x in subject.inputs())
    before, keys = _outputs(host, x), list(host.state_dict())
    if card.start == "none":
        _require_refused(card, host, x)
    handle = _plugged(card, host, x)
    for label, wanted, out in zip(("eval", "training"), before, _outputs(host, x), strict=True):
        require_finite(out, f"plugged, in {label} mode")
        if card.start != "none":
            require_same(out, wanted, f"plugged, the output in {label} mode moves", 0.0, 1e-5)
    _require_training(handle, host, x)
    handle.remove()
    for wanted, out in zip(before, _outputs(host, x), strict=True):
        require_same(out, wanted, "removed, the host is not what it was", 0.0)
    require(list(host.state_dict()) == keys, "removed, it leaves keys in the host's state_dict")


def _host(subject: Specimen) -> nn.Module:
    """A layer before the site, one at it and one behind, with what writes in place between."""
    torch.manual_seed(0)
    size = subject.size

    def layer() -> nn.Module:
        if not subject.on_maps:
            return nn.Linear(size, size)
        made: nn.Module = CONVOLUTIONS[subject.dims](size, size, 1)
        return made

    layers = {"stem": layer(), "site": layer(), "relu": nn.ReLU(inplace=True), "head": layer()}
    return nn.Sequential(OrderedDict(layers))


def _plugged(card: Card, host: nn.Module, x: Tensor) -> Plugged:
    start = {"start": "paper"} if card.start == "none" else {}
    return plug(host, card, "site", example=x, **{**card.options, **start})


def _outputs(host: nn.Module, x: Tensor) -> list[Tensor]:
    """In eval mode without gradients, where a map may be gated in place, and in training."""
    with torch.no_grad(), using("cpu"):
        fast = host.eval()(x.clone())
    return [fast, host.train()(x.clone())]


def _require_refused(card: Card, host: nn.Module, x: Tensor) -> None:
    try:
        plug(host, card, "site", example=x, **card.options)
    except RegardError:
        return
    raise Broken("its card says that it cannot start as the identity, and yet it is plugged so")


def _require_training(handle: Plugged, host: nn.Module, x: Tensor) -> None:
    """A gradient goes through the mechanism to the host, and to some of its parameters."""
    host.train()(x).square().sum().backward()
    for name, parameter in host.named_parameters():
        if name.startswith(("stem", "site.weight", "site.bias")):
            reached = parameter.grad is not None and bool(parameter.grad.any())
            require(reached, f"plugged, no gradient reaches the host's {name}")
    own = list(handle.parameters())
    reached = any(p.grad is not None and bool(p.grad.any()) for p in own)
    require(reached or not own, "plugged, none of its parameters receives a gradient")
