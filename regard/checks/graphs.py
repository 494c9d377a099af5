"""Rules on what reads the mechanism as a graph: torch.compile, torch.export, torch.fx."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from ..cards import Card
from .rule import ALL, Broken, NotApplicable, require_same, rule
from .specimen import Specimen, specimen


@rule("compile", *ALL)
def compiled(card: Card) -> None:
    """Compiles as one graph, forward and backward, and for a second size."""
    subject = specimen(card)
    module = subject.build(training=True)
    torch.compiler.reset()
    try:
        fast = torch.compile(module, fullgraph=True, backend="aot_eager", dynamic=True)
        for inputs in two_sizes(subject):
            out, gradients = _step(module, inputs)
            got, got_gradients = _step(fast, inputs)
            require_same(got, out, "compiled, the output differs")
            for a, b in zip(got_gradients, gradients, strict=True):
                require_same(a, b, "compiled, a gradient differs")
    finally:
        torch.compiler.reset()


def two_sizes(subject: Specimen) -> list[tuple[Tensor, ...]]:
    """The usual inputs, and others with more samples and positions."""
    usual = subject.inputs()
    extent = [n + 3 for n in usual[0].shape[2:]] if subject.on_maps else [usual[0].shape[-2] + 3]
    return [usual, subject.inputs(batch=3, extent=extent, seed=5)]


def _step(module: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    torch.manual_seed(0)
    leaves = [x.clone().requires_grad_() for x in inputs]
    out = module(*leaves)
    if not out.requires_grad:  # a bias of places alone
        return out, ()
    wanted = [*leaves, *module.parameters()]
    gradients = torch.autograd.grad(out.square().sum(), wanted, allow_unused=True)
    return out, tuple(torch.zeros(()) if g is None else g for g in gradients)


@rule("export", *ALL)
def exported(card: Card) -> None:
    """torch.export takes it with any batch and any size."""
    subject = specimen(card)
    module = subject.build()
    usual, other = two_sizes(subject)
    shapes = tuple(dynamic(subject, x) for x in usual)
    names = list(inspect.signature(module.forward).parameters)[: len(usual)]
    program = torch.export.export(
        module, usual, dynamic_shapes=dict(zip(names, shapes, strict=True))
    )
    require_same(program.module()(*other), module(*other), "exported, the output differs")


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
