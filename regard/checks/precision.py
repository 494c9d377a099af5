"""Rules on low precision and large numbers."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from ..cards import Card
from ..ops import overwriting, using
from .rule import ALL, require, require_finite, rule
from .specimen import Specimen, specimen

LOW = (torch.bfloat16, torch.float16)
# float16 ends at 65504: a sum of squares of a map of such numbers overflows, a mean of them not.
LARGE = {torch.float32: 1e4, torch.bfloat16: 1e4, torch.float16: 100.0}


class RoundEveryStep(TorchDispatchMode):
    """Rounds what every float64 operation gives to the digits of a dtype: the plain computation.

    It knows nothing of kernels: each step is exact but for one rounding. The range stays that of
    float64; whether numbers fit is the rule ``finite``'s question.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.steps = 2 / torch.finfo(dtype).eps  # of the mantissa, which is 0.5 to 1

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run one operation and round its result; a view has nothing to round."""
        out = func(*args, **(kwargs or {}))
        if func.is_view:
            return out
        if func._schema.is_mutable:
            tree_map(self._round_in_place, out)
            return out
        return tree_map(self._rounded, out)

    def _rounded(self, x: Any) -> Any:
        if not (isinstance(x, Tensor) and x.dtype == torch.float64):
            return x
        mantissa, exponent = torch.frexp(x)
        return torch.ldexp((mantissa * self.steps).round() / self.steps, exponent)

    def _round_in_place(self, x: Any) -> None:
        if isinstance(x, Tensor) and x.dtype == torch.float64:
            x.copy_(self._rounded(x))


@rule("precision", *ALL)
def precision(card: Card) -> None:
    """bfloat16 and float16 err at most twice as much as their plain computation, and one rounding.

    All against float64 on the same rounded inputs and parameters, by the largest number.
    """
    subject = specimen(card)
    for dtype in LOW:
        # The same bits on both sides: only the steps between differ.
        exact = subject.build().to(dtype).double()
        inputs = tuple(x.to(dtype).double() for x in _with_zeros(subject))
        with torch.no_grad():
            wanted = exact(*inputs)
            plain = _plain(exact, inputs, dtype)
            got = exact.to(dtype)(*(x.to(dtype) for x in inputs)).double()
        budget = 2 * _largest(plain - wanted) + torch.finfo(dtype).eps * _largest(wanted)
        error = _largest(got - wanted)
        require(error <= budget, f"{dtype}: error {error:.3g}; the plain form allows {budget:.3g}")


def _with_zeros(subject: Specimen) -> tuple[Tensor, ...]:
    """The usual inputs with zeros at the first position, as in padding: no length, no spread."""
    inputs = subject.inputs()
    for x in inputs:
        (x.flatten(2).select(2, 0) if subject.on_maps else x.select(-2, 0)).zero_()
    return inputs


def _plain(module: nn.Module, inputs: tuple[Tensor, ...], dtype: torch.dtype) -> Tensor:
    with sdpa_kernel(SDPBackend.MATH), RoundEveryStep(dtype):
        out: Tensor = module(*inputs)
    return out


def _largest(x: Tensor) -> float:
    return float(x.abs().max())


@rule("inference", *ALL)
def inference(card: Card) -> None:
    """Without gradients and frozen, in float32 on the CPU's kernels, it equals float64 to 1e-5.

    That is the path of a model in use: no backward to keep anything for, and a map that may be
    written over where its owner allows it. Twice the error of the plain form is always allowed.
    """
    subject = specimen(card)
    module = subject.build().float()
    inputs = tuple(x.float() for x in subject.inputs())
    # What is judged by is not frozen and has gradients: it takes none of the paths in question.
    wanted = copy.deepcopy(module).double()(*(x.double() for x in inputs)).detach()
    with using("torch"):
        plain = _largest(module(*inputs).detach().double() - wanted)
    module.requires_grad_(False)
    budget = max(1e-5 * _largest(wanted), 2 * plain)
    for label, context in (("no_grad", torch.no_grad), ("inference_mode", torch.inference_mode)):
        for layout, change in (("", torch.clone), (" channels last", _channels_last)):
            with using("cpu"), context():
                given = tuple(change(x) for x in inputs)
                with overwriting(given[0]):
                    error = _largest(module(*given).double() - wanted)
            told = f"under {label}{layout} it errs by {error:.3g}; {budget:.3g} is allowed"
            require(error <= budget, told)


def _channels_last(x: Tensor) -> Tensor:
    return x.movedim(1, -1).contiguous().movedim(-1, 1)


@rule("finite", *ALL)
def finite(card: Card) -> None:
    """No NaN or infinity for large numbers, zeros or a constant, in any precision or backward."""
    subject = specimen(card)
    for dtype, scale in LARGE.items():
        module = subject.build().to(dtype)
        for label, inputs in _extremes(subject, scale):
            leaves = [x.to(dtype).requires_grad_() for x in inputs]
            out = module(*leaves)
            require_finite(out, f"{label} in {dtype}")
            if dtype == torch.float32:
                subject.backward(out.sum())
                for x in (*leaves, *module.parameters()):
                    require_finite(x.grad, f"gradients for {label} in {dtype}")


def _extremes(subject: Specimen, scale: float) -> list[tuple[str, tuple[Tensor, ...]]]:
    inputs = subject.inputs()
    point = subject.inputs(extent=[1] * (subject.dims if subject.on_maps else 1))
    return [
        (f"numbers of {scale:g}", tuple(scale * x for x in inputs)),
        ("zeros", tuple(torch.zeros_like(x) for x in inputs)),
        ("a constant", tuple(torch.ones_like(x) for x in inputs)),
        ("one position", point),
        ("zeros at one position", _with_zeros(subject)),
    ]


@rule("autocast", *ALL)
def autocast(card: Card) -> None:
    """Runs and trains under autocast, float32 parameters beside bfloat16 products."""
    subject = specimen(card)
    module = subject.build(training=True).float()
    inputs = tuple(x.float().requires_grad_() for x in subject.inputs())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = module(*inputs)
    require(list(out.shape) == subject.shape_due(*inputs), f"autocast gives {list(out.shape)}")
    require_finite(out, "under autocast")
    subject.backward(out.float().sum())
    for x in (*inputs, *module.parameters()):
        require_finite(x.grad, "gradients under autocast")
