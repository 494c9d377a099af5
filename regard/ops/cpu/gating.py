"""gate on kernels: statistics, gates and product, and a backward that writes dx once.

In autograd a gating is a chain of nodes: ``_Map`` hands out the map and a token for each statistic,
``_Squeeze`` turns tokens into statistics, ``_Product`` makes the output. Between these nodes the
gradients mean something of their own: ``_Product`` sends dy itself to ``_Map``, not dy times the
gates, and a token carries the gradient of its statistic. ``_Map`` runs last, for all others depend
on it; it has everything by then and writes dx in one sweep. What never arrives, because a gate was
detached, is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from ..once import first_derivative_only
from ..steps import Step, check_form
from .fusing import fused
from .layout import Blocks, blocks, like
from .modulation import Gates, product
from .reducing import Statistics, reduce
from .sweeping import Sent, gradient_of_map, gradient_through, gradients_of_gates, sent


def joinable(steps: tuple[Step, ...]) -> bool:
    """One step, or one over space and one over channels, in any order."""
    return 0 < len(steps) == len({step.over for step in steps})


def gated(x: Tensor, steps: tuple[Step, ...], over: bool) -> Tensor:
    """A map gated by joinable steps, written over itself if wanted; see :func:`regard.ops.gate`."""
    b = blocks(x)
    if torch.is_grad_enabled():
        return _with_gradients(b, steps)
    out = b.x if over and b.x is x else torch.empty_like(b.x)
    return out if fused(b, steps, out) else product(b, _gates(b, steps), out)


def _gates(b: Blocks, steps: tuple[Step, ...]) -> Gates:
    """The flat gates of a map, without gradients."""
    gates: Gates = (None, None)
    for step in steps:
        inner = _is_inner(b, step)
        found = reduce(b, inner, gates[inner], "max" in step.stats)
        gates = _with(gates, b, step, step.excite(*_shaped(b, step, found)))
    return gates


def _with_gradients(b: Blocks, steps: tuple[Step, ...]) -> Tensor:
    plan = _Plan(b._replace(x=b.x.new_empty(0)), steps)
    still = b.x.detach()
    x, *tokens = _Map.apply(plan, b.x)
    gates: Gates = (None, None)
    for index, step in enumerate(steps):
        inner = _is_inner(b, step)
        own = [tokens.pop(0) for _ in step.stats]
        statistics = _Squeeze.apply(plan, index, still, gates[inner], *own)
        gates = _with(gates, b, step, step.excite(*statistics))
    out: Tensor = _Product.apply(plan, x, *gates)
    return out


def _is_inner(b: Blocks, step: Step) -> bool:
    """Whether a step reduces the innermost axis."""
    return (step.over == "space") != b.last


def _with(gates: Gates, b: Blocks, step: Step, made: Tensor) -> Gates:
    """One gate more: over the rows if its statistics were across the innermost axis."""
    check_form(made, b.x, step.over)
    made = made if made.dtype is torch.float32 else made.float()
    if made.shape[0] != b.outer:
        made = made.expand(b.outer, *made.shape[1:])
    made = made.contiguous()
    return (made, gates[1]) if _is_inner(b, step) else (gates[0], made)


def _shaped(b: Blocks, step: Step, found: Statistics) -> tuple[Tensor, ...]:
    """The statistics that a step asks for, with as many axes as the map."""
    shape = _shape(b, step)
    flat = {"mean": found.mean, "max": found.top}
    return tuple(flat[stat].view(shape) for stat in step.stats)  # type: ignore[union-attr]


def _shape(b: Blocks, step: Step) -> tuple[int, ...]:
    batch, channels, *space = b.x.shape
    return (batch, 1, *space) if step.over == "channels" else (batch, channels, *[1] * len(space))


@dataclass(slots=True)
class _Plan:
    """What the nodes of one gating know in common; filled in the forward, only read after.

    Args:
        b: how the map lies in memory; the map itself is kept by autograd.
        steps: of the gating.
        gates: over the rows and along the innermost axis.
        found: the statistics of each step.
    """

    b: Blocks
    steps: tuple[Step, ...]
    gates: Gates = (None, None)
    found: dict[int, Statistics] = field(default_factory=dict)

    def sent(self, index: int, came: tuple[Tensor | None, ...]) -> Sent | None:
        """What a step sends back to the map, from the gradients of its statistics."""
        step = self.steps[index]
        of = dict(zip(step.stats, came, strict=True))
        inner = _is_inner(self.b, step)
        reduced = self.b.inner if inner else self.b.rows
        gradients = of.get("mean"), of.get("max")
        return sent(self.found[index], gradients, reduced, inner=inner, gated=index > 0)


class _Map(Function):
    """Hands out the map, and a token for each statistic that is to be taken of it."""

    @staticmethod
    def forward(ctx: Any, plan: _Plan, x: Tensor) -> Any:
        ctx.plan = plan
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x)
        b, one = Blocks(x, *plan.b[1:]), x.new_empty(())
        tokens = [one.expand(_shape(b, step)) for step in plan.steps for _ in step.stats]
        return x.detach(), *tokens

    @staticmethod
    def backward(ctx: Any, dy: Tensor | None, *d_tokens: Tensor | None) -> Any:
        first_derivative_only("gate")
        plan, (x,) = ctx.plan, ctx.saved_tensors
        b = Blocks(x, *plan.b[1:])
        left, parts = list(d_tokens), []
        for index, step in enumerate(plan.steps):
            part = plan.sent(index, tuple(left.pop(0) for _ in step.stats))
            parts += [] if part is None else [part]
        return None, gradient_of_map(b, dy, plan.gates, parts)


class _Squeeze(Function):
    """A step's tokens → its statistics, of the map times the gate along what is reduced."""

    @staticmethod
    def forward(
        ctx: Any, plan: _Plan, index: int, x: Tensor, gate: Tensor | None, *tokens: Tensor
    ) -> Any:
        step, b = plan.steps[index], Blocks(x, *plan.b[1:])
        highest = "max" in step.stats
        found = reduce(b, _is_inner(b, step), gate, highest, placed=highest)
        plan.found[index] = found
        ctx.plan, ctx.index = plan, index
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, gate)
        return _shaped(b, step, found)

    @staticmethod
    def backward(ctx: Any, *came: Tensor | None) -> Any:
        first_derivative_only("gate")
        plan, (x, gate) = ctx.plan, ctx.saved_tensors
        b = Blocks(x, *plan.b[1:])
        d_gate = None
        if gate is not None and ctx.needs_input_grad[3]:
            part = plan.sent(ctx.index, came)
            d_gate = torch.zeros_like(gate)
            if part is not None:
                gradient_through(b, gate, part, d_gate)
        return None, None, None, d_gate, *came


class _Product(Function):
    """The map times all gates; the gradient that it sends to ``_Map`` is dy itself."""

    @staticmethod
    def forward(
        ctx: Any, plan: _Plan, x: Tensor, row: Tensor | None, inner: Tensor | None
    ) -> Tensor:
        ctx.plan = plan
        ctx.save_for_backward(x, row, inner)
        plan.gates = tuple(None if g is None else g.detach() for g in (row, inner))  # type: ignore[assignment]
        return product(Blocks(x, *plan.b[1:]), (row, inner))

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        first_derivative_only("gate")
        x, row, inner = ctx.saved_tensors
        b = Blocks(x, *ctx.plan.b[1:])
        dy = like(dy, b)
        return None, dy, *gradients_of_gates(b, dy, row, inner)
