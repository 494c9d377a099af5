"""gate: squeeze, excite, modulate, joined, so that the map is read and written as little as can be.

A gating mechanism is a few steps. Each squeezes the map, times the gates so far, into statistics,
and a tiny network excites these into a gate; at the end the map is multiplied by all gates.
Chained as single operations, the backward of each would write a gradient as large as the map;
joined, it is written once.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.overrides import has_torch_function

from .choosing import traced, wants_kernel
from .excitation import Excitation
from .handover import may_overwrite
from .modulation import modulate
from .squeezing import squeeze
from .steps import Step, formed


def gate(x: Tensor, *steps: Step, mask: Tensor | None = None, spent: bool = False) -> Tensor:
    """A map times the gates that its own statistics excite.

    Args:
        x: a map ``[B, C, *space]``.
        steps: the gates, in order; each step's statistics are those of the map times the gates
            before it.
        mask: boolean ``[B, *space]``, True = a real position; see :func:`squeeze`.
        spent: the caller needs ``x`` no more. It is then written over, but only where its owner
            allows that (``overwriting``): behind a host's convolution, say, and without gradients.

    Returns:
        ``[B, C, *space]``; nobody else holds it, the caller may write into it.

    Raises:
        RegardError: if ``excite`` gives a gate of another form.
    """
    if has_torch_function((x,)):
        return reference_gate(x, *steps, mask=mask)
    over = spent and may_overwrite(x)
    if mask is None and not traced() and wants_kernel(x, _saved(x, steps, over)):
        from .cpu.gating import gated, joinable

        if joinable(steps):
            return gated(x, steps, over)
    return reference_gate(x, *steps, mask=mask, over=over)


def _saved(x: Tensor, steps: tuple[Step, ...], over: bool) -> float:
    """What joining saves: without gradients and with known excitations, all calls but one; else
    much for a maximum or a second step, and for a mean and a product half of a gradient as large as
    the map, or a fresh output."""
    gradients, several = torch.is_grad_enabled(), len(x) >= torch.get_num_threads()
    known = all(isinstance(step.excite, Excitation) for step in steps)
    if not gradients and several and known:
        return math.inf
    if len(steps) > 1 or any("max" in step.stats for step in steps):
        return 4
    return 0.5 if gradients else over / 6


def reference_gate(
    x: Tensor, *steps: Step, mask: Tensor | None = None, over: bool = False
) -> Tensor:
    """The definition of :func:`gate`: one operation after the other; ``over`` writes into ``x``."""
    gates: tuple[Tensor, ...] = ()
    for step in steps:
        found = squeeze(x, step.over, step.stats, gate=_joined(gates), mask=mask)
        statistics = tuple(found[i] for i in range(len(step.stats)))  # torch.fx has no * of these
        gates += (formed(step.excite(*statistics), x, step.over),)
    if not over:
        return modulate(x, *gates)
    for made in gates:
        x.mul_(made)
    return x


def _joined(gates: tuple[Tensor, ...]) -> Tensor | None:
    """The product of all gates so far; None without any."""
    joined: Tensor | None = None
    for found in gates:
        joined = found if joined is None else joined * found
    return joined
