"""The contenders of a case, built: same weights, same inputs, nothing at the identity start."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..catalogue import card, get, options_of
from ..checks.specimen import move, takes_two_sources
from ..comparison.arms import Arm
from ..errors import RegardError, cause
from ..networks import build_host
from ..ops import overwriting, using
from .cases import Case
from .contenders import Contender, contender, copy_of
from .peers import timm_module, timm_network
from .scope import Scope

CLASSES = 10
_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


@dataclass(frozen=True, slots=True)
class Field:
    """Who runs in a case.

    Args:
        contenders: by name.
        absent: name → why it is not among them.
        kept: what the inputs are to be before each run.
    """

    contenders: dict[str, Contender]
    absent: dict[str, str]
    kept: tuple[Tensor, ...]

    def restore(self) -> None:
        """Make the inputs what they were: a map gated again and again becomes denormal numbers."""
        with torch.no_grad():
            for x, kept in zip(self.contenders["ours"].inputs, self.kept, strict=True):
                x.copy_(kept)


@dataclass(frozen=True, slots=True)
class _Material:
    """What contenders are made of: the module, or a plugged network and the one without."""

    case: Case
    module: nn.Module
    inputs: tuple[Tensor, ...]
    upstream: Tensor | None
    host: nn.Module | None
    peer: Callable[[], nn.Module]

    def of(self, module: nn.Module, *around: Callable[[], Any]) -> Contender:
        return contender(module, self.inputs, self.upstream, *around)


def field_of(case: Case, scope: Scope, names: Collection[str], seed: int = 0) -> Field:
    """The contenders of a case that are asked for, of ``exact`` (the plain form in float64),
    ``host``, ``plain``, ``ours``, ``compiled``, ``timm`` and ``copy``.

    Args:
        case: what they do.
        scope: device, type and options.
        names: of the contenders; ``ours`` is always among them.
        seed: of weights and inputs.

    Raises:
        RegardError: if the mechanism or the host cannot be built.
    """
    with torch.random.fork_rng(devices=[]):  # all is drawn on the CPU
        torch.manual_seed(seed)
        arm = next(arm for arm in scope.arms() if arm.label == case.mechanism)
        material = _material(case, arm, scope)
        contenders, absent = {}, {}
        for name, make in _MAKERS.items():
            if name in names or name == "ours":
                try:
                    contenders[name] = make(material)
                except RegardError as error:
                    absent[name] = str(error)
    kept = tuple(x.detach().clone() for x in material.inputs)
    return Field(contenders, absent, kept)


def _material(case: Case, arm: Arm, scope: Scope) -> _Material:
    """All of it on its device, in its type and memory format."""
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
    return _Material(
        case, module, inputs, upstream, host, lambda: peer().train(case.training).to(**place)
    )


def _size(case: Case) -> int:
    return case.shape[-1] if case.layout == "tokens" else case.shape[1]


def _module(case: Case, arm: Arm) -> nn.Module:
    known = options_of(card(arm.mechanism or ""))
    given = {"dims": len(case.shape) - 2} if "dims" in known else {}
    return move(get(arm.mechanism or "", _size(case), **{**given, **arm.options}))


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
    with torch.no_grad(), using("torch"):
        output = module(*inputs)
    if not isinstance(output, Tensor):
        raise RegardError(f"it returns {type(output).__name__}; bench takes what returns a tensor")
    return torch.empty_like(output).copy_(torch.randn(output.shape))


def _plain(material: _Material) -> Contender:
    return material.of(material.module, lambda: using("torch"))


def _ours(material: _Material) -> Contender:
    @contextmanager
    def given_away() -> Iterator[None]:
        with using("auto"), overwriting(material.inputs[0]):
            yield

    in_place = material.case.mode == "in place"
    return material.of(material.module, given_away if in_place else lambda: using("auto"))


def _exact(material: _Material) -> Contender:
    inputs = tuple(x.detach().double().requires_grad_(x.requires_grad) for x in material.inputs)
    upstream = None if material.upstream is None else material.upstream.double()
    module = deepcopy(material.module).double()
    return contender(module, inputs, upstream, lambda: using("torch"))


def _host(material: _Material) -> Contender:
    if material.host is None:
        raise RegardError("a module alone has no host")
    return material.of(material.host)


def _compiled(material: _Material) -> Contender:
    """Compiled here, by its first run, so that no compilation is timed."""
    torch.compiler.reset()  # or its limit of recompilations counts all cases before
    module = deepcopy(material.module)
    try:
        compiled = torch.compile(module, dynamic=False)
        made = replace(material.of(module), module=compiled)
        made.run()
    except Exception as error:
        raise RegardError(f"torch.compile fails: {cause(error, 80)}") from error
    return made


def _timm(material: _Material) -> Contender:
    made = material.of(material.peer())
    try:
        found = made.results()
    except Exception as error:
        raise RegardError(f"timm's fails on this input: {cause(error, 80)}") from error
    if not all(torch.isfinite(tensor).all() for tensor in found.values()):
        raise RegardError("timm's gives numbers that are not finite")
    return made


def _copy(material: _Material) -> Contender:
    return copy_of(material.inputs[0])


_MAKERS: dict[str, Callable[[_Material], Contender]] = {
    "exact": _exact,
    "host": _host,
    "plain": _plain,
    "ours": _ours,
    "compiled": _compiled,
    "timm": _timm,
    "copy": _copy,
}
