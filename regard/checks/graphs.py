"""Rules on what reads the mechanism as a graph: torch.compile, torch.export, torch.fx."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from .rule import ALL, Broken, NotApplicable, require_same, rule
from .specimen import Specimen, arguments, specimen, takes_two_sources


@rule("compile", *ALL)
def compiled(card: Card) -> None:
    """Compiles as one graph, forward and backward, for a second size, and with mask and causal."""
    subject = specimen(card)
    module = subject.build(training=True)
    for calls in _calls(subject, module):
        torch.compiler.reset()
        try:
            fast = torch.compile(module, fullgraph=True, backend="aot_eager", dynamic=True)
            for inputs, given in calls:
                out, gradients = _step(module, inputs, given)
                got, got_gradients = _step(fast, inputs, given)
                told = "".join(f" with {name}" for name in given)
                require_same(got, out, f"compiled{told}, the output differs")
                for a, b in zip(got_gradients, gradients, strict=True):
                    require_same(a, b, f"compiled{told}, a gradient differs")
        finally:
            torch.compiler.reset()


Call = tuple[tuple[Tensor, ...], dict[str, Any]]


def _calls(subject: Specimen, module: nn.Module) -> list[list[Call]]:
    """Two calls for one graph, of two sizes; and two with what masks, where forward takes that."""
    usual, other = two_sizes(subject)
    kinds: list[list[Call]] = [[(usual, {}), (other, {})]]
    given = [_masking(subject, module, inputs) for inputs in (usual, other)]
    if given[0]:
        kinds.append([(usual, given[0]), (other, given[1])])
    return kinds


def _masking(subject: Specimen, module: nn.Module, inputs: tuple[Tensor, ...]) -> dict[str, Any]:
    """A mask that hides the end of sample 1, and ``causal`` where forward takes it beside that."""
    taken = arguments(subject.card)
    given: dict[str, Any] = {}
    if "mask" in taken:
        space = inputs[-1].shape[2:] if subject.on_maps else inputs[-1].shape[1:2]
        mask = torch.ones(len(inputs[0]), *space, dtype=torch.bool)
        mask[1, ..., -2:] = False
        given["mask"] = mask
    if "causal" in taken and not takes_two_sources(subject.card):
        try:
            module(*inputs, **given, causal=True)
        except RegardError:
            return given
        given["causal"] = True
    return given


def two_sizes(subject: Specimen) -> list[tuple[Tensor, ...]]:
    """The usual inputs, and others with more samples and positions."""
    usual = subject.inputs()
    extent = [n + 3 for n in usual[0].shape[2:]] if subject.on_maps else [usual[0].shape[-2] + 3]
    return [usual, subject.inputs(batch=3, extent=extent, seed=5)]


def _step(
    module: Any, inputs: tuple[Tensor, ...], given: dict[str, Any]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    torch.manual_seed(0)
    leaves = [x.clone().requires_grad_() for x in inputs]
    out = module(*leaves, **given)
    if not out.requires_grad:  # a bias of places alone
        return out, ()
    wanted = [*leaves, *module.parameters()]
    gradients = torch.autograd.grad(out.square().sum(), wanted, allow_unused=True)
    return out, tuple(torch.zeros(()) if g is None else g for g in gradients)


@rule("export", *ALL)
def exported(card: Card) -> None:
    """torch.export takes it with any batch and any size, and with mask and causal."""
    subject = specimen(card)
    module = subject.build()
    names = list(inspect.signature(module.forward).parameters)
    for (usual, given), (other, later) in _calls(subject, module):
        shapes: dict[str, Any] = {
            n: dynamic(subject, x) for n, x in zip(names, usual, strict=False)
        }
        shapes |= {n: _any_size(value) for n, value in given.items()}
        program = torch.export.export(module, usual, given, dynamic_shapes=shapes)
        told = "".join(f" with {name}" for name in given)
        got, wanted = program.module()(*other, **later), module(*other, **later)
        require_same(got, wanted, f"exported{told}, the output differs")


def _any_size(value: Any) -> dict[int, Any] | None:
    """All axes of a mask may vary; a flag has none."""
    if not isinstance(value, Tensor):
        return None
    return dict.fromkeys(range(value.dim()), torch.export.Dim.DYNAMIC)


def dynamic(subject: Specimen, x: Tensor) -> dict[int, Any]:
    """All axes but that of channels or width may vary."""
    fixed = subject.width_axis % x.dim()
    return {i: torch.export.Dim.DYNAMIC for i in range(x.dim()) if i != fixed}


@rule("fx", *ALL)
def traced(card: Card) -> None:
    """torch.fx traces it, and the trace holds for another size."""
    subject = specimen(card)
    module = subject.build()
    if any(p.kind == p.VAR_POSITIONAL for p in _parameters(module)):
        raise NotApplicable("forward takes any number of arguments")
    usual, other = two_sizes(subject)
    constants = {p.name: p.default for p in _parameters(module)[len(usual) :]}
    try:
        graph = torch.fx.symbolic_trace(module, concrete_args=constants)
    except torch.fx.proxy.TraceError as error:
        hint = "regard.ops.expect checks a size without a branch"
        raise Broken(f"torch.fx stops: {error}; {hint}") from error
    for inputs in (usual, other):
        require_same(graph(*inputs), module(*inputs), "traced, the output differs")


def _parameters(module: nn.Module) -> list[inspect.Parameter]:
    return list(inspect.signature(module.forward).parameters.values())
