"""What the contenders of a case share: a module or network moved from its start, and inputs."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..catalogue import card, get
from ..checks.specimen import move, takes_two_sources
from ..comparison.arms import Arm
from ..networks import build_host
from ..ops import using
from .case import Case
from .cases import options_for
from .contenders import Contender, contender
from .peers import timm_module, timm_network
from .scope import Scope

CLASSES = 10
_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


@dataclass(frozen=True, slots=True)
class Material:
    """What the contenders of a case share.

    Args:
        case: what they do.
        module: the mechanism, or a network with it.
        inputs: of every call.
        upstream: gradient of the output, None without a backward.
        host: the network without the mechanism, if it is about one.
        peer: builds timm's.
    """

    case: Case
    module: nn.Module
    inputs: tuple[Tensor, ...]
    upstream: Tensor | None
    host: nn.Module | None
    peer: Callable[[], nn.Module]

    def of(self, module: nn.Module, *around: Callable[[], Any]) -> Contender:
        """Another module on the same inputs, in a context of its own if one is given."""
        return contender(module, self.inputs, self.upstream, *around)


def material_of(case: Case, arm: Arm, scope: Scope) -> Material:
    """All of it on its device, in its type and memory format, drawn from PyTorch's random state.

    Raises:
        RegardError: if the mechanism or the host cannot be built, or returns no tensor.
    """
    place: dict[str, Any] = {"device": scope.place(), "dtype": scope.kind()}
    if case.layout == "last":
        place["memory_format"] = _LAST[len(case.shape)]
    host = None
    two = not case.host and takes_two_sources(card(arm.mechanism or ""))
    gradient = case.training and not case.host
    inputs = tuple(_drawn(case, scope, gradient) for _ in range(1 + two))
    if case.host:
        host, module = _networks(case, arm)
        host = host.train(case.training).to(**place)
        peer = partial(timm_network, case.host, arm.mechanism or "", CLASSES)
    else:
        module = _module(case, arm)
        peer = partial(timm_module, arm.mechanism or "", _size(case))
    module = module.train(case.training).to(**place)
    upstream = _upstream(module, inputs) if case.training else None
    return Material(
        case, module, inputs, upstream, host, lambda: peer().train(case.training).to(**place)
    )


def _size(case: Case) -> int:
    return case.shape[-1] if case.layout == "tokens" else case.shape[1]


def _module(case: Case, arm: Arm) -> nn.Module:
    options = options_for(arm, len(case.shape) - 2)
    return move(get(arm.mechanism or "", _size(case), **options))


def _networks(case: Case, arm: Arm) -> tuple[nn.Module, nn.Module]:
    """The host, and the same with the mechanism, moved away from its start."""
    _, channels, size, _ = case.shape
    host = build_host(case.host, classes=CLASSES, channels=channels, size=size)
    plugged = deepcopy(host)
    handle = arm.plug_into(plugged, torch.randn(2, channels, size, size), "paper")
    for mechanism in handle.mechanisms().values() if handle else ():
        move(mechanism)
    return host, plugged


def _drawn(case: Case, scope: Scope, requires_grad: bool) -> Tensor:
    x = torch.randn(case.shape).to(scope.place(), scope.kind())
    if case.layout == "last":
        x = x.contiguous(memory_format=_LAST[len(case.shape)])
    return x.requires_grad_(requires_grad)


def _upstream(module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    """A random gradient of the output."""
    output = contender(module, inputs, around=lambda: using("torch")).results()["output"]
    return torch.empty_like(output).copy_(torch.randn(output.shape))
