"""Rules on what comes out, and on what must be left alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from .rule import ALL, MAPS, TOKENS, Broken, require, require_finite, require_same, rule
from .specimen import Specimen, calls, specimen, specimens
from .surroundings import RANDOM, SETTINGS, changed, observed

# In training they see the whole batch, or draw for each place of it.
MIXING = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)


@rule("shape", *ALL)
def shape(card: Card) -> None:
    """Keeps shape and dtype for any size: one position, odd, not square; few and many channels."""
    for subject in specimens(card, (1, 3, 8, 16, 30, 64)):
        for training in (False, True):
            module = subject.build(training=training)
            for inputs in calls(subject, batch=2 if training else 1):
                _require_shape(subject, module(*inputs), inputs)


def _require_shape(subject: Specimen, out: Tensor, inputs: tuple[Tensor, ...]) -> None:
    came = f"an input of {' and '.join(str(list(x.shape)) for x in inputs)}"
    require(isinstance(out, Tensor), f"{came} gives a {type(out).__name__}, no tensor")
    due, dtype = subject.shape_due(*inputs), inputs[0].dtype
    require(list(out.shape) == due, f"{came} gives {list(out.shape)}; {due} is due")
    require(out.dtype == dtype, f"{came} in {dtype} gives {out.dtype}")
    require_finite(out, came)


@rule("alive", *MAPS, *TOKENS)
def alive(card: Card) -> None:
    """Looks at its input even with fewer channels than the reduction: it is no linear function.

    A gate of a hidden layer without units is a constant, and the product with it is additive.
    """
    for subject in specimens(card, (2, 3, 8, 16)):
        module, a, b = subject.build(), *(loud(subject, seed) for seed in (1, 2))
        with torch.no_grad():
            both = module(*(p + q for p, q in zip(a, b, strict=True)))
            gap = (both - module(*a) - module(*b)).abs().max()
        linear = float(gap) <= 1e-6 * float(both.abs().max())
        size = subject.size
        require(not linear, f"at size {size} it is linear: what it weighs by is constant")


def loud(subject: Specimen, seed: int) -> tuple[Tensor, ...]:
    """Samples from soft to loud, so that no rectifier is closed for all of them."""
    inputs = subject.inputs(batch=16, seed=seed)
    return tuple(torch.logspace(0, 2, 16).view(-1, *[1] * (x.dim() - 1)) * x for x in inputs)


@rule("batch", *ALL)
def batch(card: Card) -> None:
    """A sample's output does not depend on the other samples, but by BatchNorm in training."""
    subject = specimen(card)
    for training in (False, True):
        module = subject.build(training=training)
        if not (training and any(isinstance(m, MIXING) for m in module.modules())):
            _require_apart(subject, module)


def _require_apart(subject: Specimen, module: nn.Module) -> None:
    inputs = subject.inputs(batch=3)
    together = module(*inputs)
    for i in range(3):
        alone = module(*(x[i : i + 1] for x in inputs))
        require_same(
            subject.sample(together, i), alone, f"sample {i} differs with and without the others"
        )


@rule("empty", *ALL)
def empty(card: Card) -> None:
    """An empty batch gives an empty output, and backward works."""
    subject = specimen(card)
    inputs = tuple(x.requires_grad_() for x in subject.inputs(batch=0))
    out = subject.build()(*inputs)
    _require_shape(subject, out, inputs)
    subject.backward(out.sum())


@rule("input", *ALL)
def input_kept(card: Card) -> None:
    """Does not write into its input, in forward or backward."""
    subject = specimen(card)
    for training in (False, True):
        module, inputs = subject.build(training=training), subject.inputs()
        given = [x.clone() for x in inputs]
        with torch.no_grad():
            module(*inputs)
        _require_kept(inputs, given, "a forward without gradients")
        leaves = [x.clone().requires_grad_() for x in inputs]
        # Not leaves themselves: writing into a leaf is an error, into an activation it is not.
        activations = tuple(x * 1 for x in leaves)
        subject.backward(module(*activations).square().sum())
        _require_kept(activations, given, "a training step")


def _require_kept(inputs: tuple[Tensor, ...], given: list[Tensor], when: str) -> None:
    for x, before in zip(inputs, given, strict=True):
        require(torch.equal(x, before), f"{when} changes the input")


@rule("pure", *ALL)
def pure(card: Card) -> None:
    """In eval mode a forward changes nothing in the module and draws no random number."""
    subject = specimen(card)
    module, inputs = subject.build(), subject.inputs()
    held = _tensors(module)
    before = {name: t.clone() for name, t in held.items()}
    numbers = observed(RANDOM)
    first = module(*inputs)
    drawn = changed(RANDOM, numbers)
    require(not drawn, f"an eval forward draws from {' and '.join(drawn)}")
    after = _tensors(module)
    kept = {n for n, t in before.items() if after.get(n) is held[n] and torch.equal(t, after[n])}
    moved = sorted(set(before) - kept)
    require(not moved, f"an eval forward changes {', '.join(moved)}")
    require_same(module(*inputs), first, "two eval forwards on one input differ", 0.0)


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


@rule("globals", *ALL)
def global_state(card: Card) -> None:
    """Building and running changes no setting of PyTorch and seeds no random numbers."""
    before = observed(SETTINGS)
    subject = specimen(card)
    module = card.module(subject.size, **card.options).double()
    _require_settings("building it", before)
    for training in (False, True):
        inputs = tuple(x.requires_grad_() for x in subject.inputs())
        subject.backward(module.train(training)(*inputs).sum())
        _require_settings("running it", before)
    if _next_number(card, subject, 1) == _next_number(card, subject, 2):
        raise Broken("building or running it seeds PyTorch's random numbers")


def _require_settings(when: str, before: dict[str, object]) -> None:
    found = changed(SETTINGS, before)
    require(not found, f"{when} changes {' and '.join(found)}")


def _next_number(card: Card, subject: Specimen, seed: int) -> float:
    """The random number that is next after building and running from a seed."""
    inputs = subject.inputs()
    torch.manual_seed(seed)
    card.module(subject.size, **card.options).double()(*inputs)
    return float(torch.rand(()))


@rule("strides", *ALL)
def strides(card: Card) -> None:
    """Channels-last and other strides give the same values and gradients."""
    subject = specimen(card)
    module, inputs = subject.build(), subject.inputs()
    out, gradient = _step(module, inputs)
    for label, change in (("channels last", _channels_last), ("part of a larger one", _part)):
        got, got_gradient = _step(module, tuple(change(x) for x in inputs))
        require_same(got, out, f"{label}: the output differs")
        require_same(got_gradient, gradient, f"{label}: the gradient differs")


def _channels_last(x: Tensor) -> Tensor:
    """The same numbers with axis 1 innermost: for tokens, the positions."""
    return x.movedim(1, -1).contiguous().movedim(-1, 1)


def _part(x: Tensor) -> Tensor:
    """The same numbers inside a frame of NaN: no two axes are one in memory."""
    around = x.new_full([n + 2 for n in x.shape], torch.nan)
    for axis, size in enumerate(x.shape):
        around = around.narrow(axis, 1, size)
    return around.copy_(x)


def _step(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    first, *others = inputs
    out = module(first.requires_grad_(), *others)
    if not out.requires_grad:  # a bias of places alone
        return out, torch.zeros(())
    wanted = [first, *module.parameters()]
    found = torch.autograd.grad((out * out.detach()).sum(), wanted, allow_unused=True)
    return out, torch.cat([g.flatten() for g in found if g is not None])
