"""The contenders of a case, built: same weights, same inputs, nothing at the identity start."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import RegardError, cause
from ..ops import overwriting, using
from .case import Case
from .contenders import Contender, contender, copy_of
from .material import Material, material_of
from .scope import Scope


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
        material = material_of(case, arm, scope)
        contenders, absent = {}, {}
        for name, make in _MAKERS.items():
            if name in names or name == "ours":
                try:
                    contenders[name] = make(material)
                except RegardError as error:
                    absent[name] = str(error)
    kept = tuple(x.detach().clone() for x in material.inputs)
    return Field(contenders, absent, kept)


def _plain(material: Material) -> Contender:
    return material.of(material.module, lambda: using("torch"))


def _ours(material: Material) -> Contender:
    @contextmanager
    def given_away() -> Iterator[None]:
        with using("auto"), overwriting(material.inputs[0]):
            yield

    in_place = material.case.mode == "in place"
    return material.of(material.module, given_away if in_place else lambda: using("auto"))


def _exact(material: Material) -> Contender:
    inputs = tuple(x.detach().double().requires_grad_(x.requires_grad) for x in material.inputs)
    upstream = None if material.upstream is None else material.upstream.double()
    module = deepcopy(material.module).double()
    return contender(module, inputs, upstream, lambda: using("torch"))


def _host(material: Material) -> Contender:
    if material.host is None:
        raise RegardError("a module alone has no host")
    return material.of(material.host)


def _compiled(material: Material) -> Contender:
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


def _timm(material: Material) -> Contender:
    made = material.of(material.peer())
    try:
        found = made.results()
    except Exception as error:
        raise RegardError(f"timm's fails on this input: {cause(error, 80)}") from error
    if not all(torch.isfinite(tensor).all() for tensor in found.values()):
        raise RegardError("timm's gives numbers that are not finite")
    return made


def _copy(material: Material) -> Contender:
    return copy_of(material.inputs[0])


_MAKERS: dict[str, Callable[[Material], Contender]] = {
    "exact": _exact,
    "host": _host,
    "plain": _plain,
    "ours": _ours,
    "compiled": _compiled,
    "timm": _timm,
    "copy": _copy,
}
