"""Rules on backward."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..cards import Card
from ..catalogue import options_of
from .rule import ALL, TOKENS, Broken, NotApplicable, require, require_same, rule
from .specimen import Specimen, accepts, arguments, specimen
from .values import loud

NARROW = (1, 2, 3, 5, 12)

# Listed by torch.use_deterministic_algorithms as failing, or found to fail, on a GPU.
NOT_DETERMINISTIC = frozenset(
    {
        "AdaptiveAvgPool2DBackward0",
        "AdaptiveAvgPool3DBackward0",
        "AdaptiveMaxPool2DBackward0",
        "AdaptiveMaxPool3DBackward0",
        "AvgPool3DBackward0",
        "FractionalMaxPool2DBackward0",
        "FractionalMaxPool3DBackward0",
        "GridSampler2DBackward0",
        "GridSampler3DBackward0",
        "KthvalueBackward0",
        "MaxPool3DWithIndicesBackward0",
        "MaxUnpool2DBackward0",
        "MaxUnpool3DBackward0",
        "MedianBackward0",
        "PutBackward0",
        "ReflectionPad1DBackward0",
        "ReflectionPad3DBackward0",
        "ReplicationPad1DBackward0",
        "ReplicationPad2DBackward0",
        "ReplicationPad3DBackward0",
        "UpsampleBicubic2DBackward0",
        "UpsampleLinear1DBackward0",
        "UpsampleTrilinear3DBackward0",
    }
)


@rule("gradcheck", *ALL)
def gradcheck(card: Card) -> None:
    """Gradients of inputs and parameters equal finite differences in float64, in both modes."""
    subject = specimen(card)
    for training in (False, True):
        module, inputs = subject.build(training=training), subject.inputs()
        parameters = dict(module.named_parameters())

        def run(
            *tensors: Tensor,
            module: nn.Module = module,
            names: tuple[str, ...] = tuple(parameters),
            count: int = len(inputs),
        ) -> Tensor:
            torch.manual_seed(0)  # the same units are dropped each time
            values = dict(zip(names, tensors[count:], strict=True))
            out: Tensor = functional_call(module, values, tensors[:count])
            return out

        leaves = [t.detach().clone().requires_grad_() for t in (*inputs, *parameters.values())]
        # Differences over 1e-6 of numbers with 16 digits are good to 1e-9; the default of 1e-3
        # lets the small part of a gradient through a gate go missing.
        torch.autograd.gradcheck(run, leaves, rtol=1e-5, atol=1e-7, fast_mode=True)


@rule("gradients", *ALL)
def gradients(card: Card) -> None:
    """Once moved from its start, every parameter receives a gradient, also with few channels."""
    subject = specimen(card)
    for training in (False, True):
        module = subject.build(training=training)
        if not any(True for _ in module.parameters()):
            raise NotApplicable("it has no parameters")
        weighted_sum(module(*subject.inputs(batch=8))).backward()
        idle = [n for n, p in module.named_parameters() if p.grad is None or not p.grad.any()]
        require(not idle, f"no gradient reaches {', '.join(idle)}")
    if card.takes != "position":
        _require_alive_when_narrow(card)


def _require_alive_when_narrow(card: Card) -> None:
    """With few channels nothing is a constant: a softmax or a LayerNorm over one entry would be."""
    for size in (n for n in NARROW if accepts(card, n)):
        subject = replace(specimen(card), size=size)
        module = subject.build()
        numbers = torch.Generator().manual_seed(7)
        for seed in range(1, 7):
            weighted_sum(module(*loud(subject, seed))).backward()
            with torch.no_grad():  # a rectifier that one draw closes, another opens
                for parameter in module.parameters():
                    parameter.normal_(generator=numbers)
        idle = [n for n, p in module.named_parameters() if p.grad is None or not p.grad.any()]
        require(not idle, f"at size {size} no gradient reaches {', '.join(idle)}")


@rule("sources", "maps", *TOKENS)
def sources(card: Card) -> None:
    """Every source that forward takes moves the output: query, key and value, or both maps."""
    subject = specimen(card)
    names = ["query", *(n for n in ("key", "value") if n in arguments(card))]
    if subject.on_maps:
        inputs = dict(zip(("the first map", "the second map"), subject.inputs(), strict=True))
    else:
        wide = (subject.inputs(extent=(8,), seed=seed)[0] for seed in (1, 2, 3))
        inputs = dict(zip(names, wide, strict=False))
    leaves = [x.requires_grad_() for x in inputs.values()]
    out = weighted_sum(subject.build()(*leaves))
    found = torch.autograd.grad(out, leaves, allow_unused=True)
    idle = [n for n, g in zip(inputs, found, strict=True) if g is None or not g.any()]
    require(not idle, f"nothing depends on {', '.join(idle)}")


def weighted_sum(out: Tensor) -> Tensor:
    """A loss whose gradient is another number at every place, as behind a random normalisation."""
    numbers = torch.Generator().manual_seed(4)
    weights = torch.randn(out.shape, generator=numbers, dtype=torch.float64)
    return (out * weights.to(out.dtype)).sum()


@rule("writable", *ALL)
def writable(card: Card) -> None:
    """The caller may write into the output, as ``y += x`` or an in-place ReLU, before backward."""
    subject = specimen(card)
    for start in starts(card):
        module = subject.build(moved=not start, training=True, **start)
        wanted = _gradients_after(module, subject, copy=True)
        got = _gradients_after(module, subject, copy=False)
        require_same(got, wanted, "writing into the output changes the gradient")
        _require_own_memory(module, subject)


def starts(card: Card) -> list[dict[str, str]]:
    """Options of the usual start and, where it can be asked for, of the identity."""
    return [{}, {"start": "identity"}] if "start" in options_of(card) else [{}]


def _gradients_after(module: nn.Module, subject: Specimen, copy: bool) -> Tensor:
    """Gradients of input and parameters behind a shortcut and a ReLU written into the output."""
    torch.manual_seed(0)
    first, *others = subject.inputs()
    first.requires_grad_()
    module.zero_grad()
    out = module(first * 1, *others)
    out = out.clone() if copy else out
    if out.shape == first.shape:
        out += first
    try:
        subject.backward(weighted_sum(out.relu_()))
    except RuntimeError as error:
        raise Broken(f"after the caller wrote into the output: {_first_line(error)}") from error
    of_places = subject.card.position == "bias"
    require(of_places or first.grad is not None, "no gradient reaches the input")
    return _flat(first, module)


def _flat(first: Tensor, module: nn.Module) -> Tensor:
    """All gradients there are, in a row."""
    found = [x.grad.flatten() for x in (first, *module.parameters()) if x.grad is not None]
    return torch.cat(found) if found else torch.zeros(0)


def _require_own_memory(module: nn.Module, subject: Specimen) -> None:
    for training, remember in ((True, True), (True, False), (False, True), (False, False)):
        module.train(training)
        inputs = subject.inputs()
        # Training moves running statistics by itself.
        own = [] if training else [*module.parameters(), *module.buffers()]
        before = [x.clone() for x in (*inputs, *own)]
        with torch.set_grad_enabled(remember):
            out = module(*inputs)
        with torch.no_grad():
            out.fill_(7.0)
        kept = [torch.equal(x, b) for x, b in zip((*inputs, *own), before, strict=True)]
        shared = "the input" if not all(kept[: len(inputs)]) else "the module"
        require(all(kept), f"the output shares memory with {shared}: writing into it changes both")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


@rule("deterministic", *ALL)
def deterministic(card: Card) -> None:
    """Trains in deterministic mode: no backward that a GPU refuses, the same bits every time."""
    torch.use_deterministic_algorithms(True)
    subject = specimen(card)
    first, second = (_training_step(subject) for _ in range(2))
    require(torch.equal(first, second), "two training steps from one seed differ")


def _training_step(subject: Specimen) -> Tensor:
    torch.manual_seed(0)
    module = subject.build(training=True)
    first, *others = subject.inputs()
    out = module(first.requires_grad_(), *others)
    refused = sorted({n.name() for n in _graph(out)} & NOT_DETERMINISTIC)
    require(not refused, f"{', '.join(refused)} has no deterministic form on a GPU")
    subject.backward(weighted_sum(out))
    return _flat(first, module)


def _graph(out: Tensor) -> Iterator[torch.autograd.graph.Node]:
    """All steps of backward."""
    waiting = [out.grad_fn] if out.grad_fn is not None else []
    seen = set(waiting)
    while waiting:
        step = waiting.pop()
        yield step
        for earlier, _ in step.next_functions:
            if earlier is not None and earlier not in seen:
                seen.add(earlier)
                waiting.append(earlier)
