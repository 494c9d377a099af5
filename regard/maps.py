"""Record what a running model attends to, touching nothing: gates, warps, attention weights.

The shared operations of this package and PyTorch's fused attention can be overridden through
``__torch_function__``; a mode on top of the running model sees each call and lets it through.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.overrides import TorchFunctionMode

from .ops import attend, attention_weights, modulate, warp
from .ops.warping import sampling_points

Kind = Literal["gate", "theta", "weights"]


@dataclass(frozen=True, slots=True)
class Map:
    """One thing a model attended with.

    Args:
        site: the module it was made in, by its name in the model.
        kind: ``gate``: a factor on a map, ``[B, C, 1, 1]`` over channels, ``[B, 1, H, W]`` over
            space, …; ``theta``: the affine map of a warp, ``[B, 2, 3]``; ``weights``: of queries
            over keys, ``[B, Nq, Nk]`` or ``[B, h, Nq, Nk]``.
        values: a copy on the CPU.
        frame: height and width of the warped map, for ``theta``.
    """

    site: str
    kind: Kind
    values: Tensor
    frame: tuple[int, int] | None = None


@contextmanager
def record(model: nn.Module) -> Iterator[list[Map]]:
    """Record the maps of every forward of a model inside the ``with`` block, in order.

    The outputs do not change. A compiled model does not pass through here: use the eager one.
    """
    names = {module: name for name, module in model.named_modules()}
    inside: list[str] = []
    enter = register_module_forward_pre_hook(lambda m, _: inside.append(names.get(m, "")))
    leave = register_module_forward_hook(lambda *_: _drop(inside), always_call=True)
    found: list[Map] = []
    try:
        with _Recorder(found, inside):
            yield found
    finally:
        enter.remove()
        leave.remove()


def coverage(theta: Tensor, frame: tuple[int, int]) -> tuple[float, float]:
    """What a warp looks at: share of the frame's area it spans, and share of samples inside.

    Args:
        theta: ``[B, 2, 3]``.
        frame: height and width of the map.

    Returns:
        Means over the batch. A span near zero, or few samples inside, is a localiser that has
        collapsed.
    """
    area = torch.linalg.det(theta[:, :, :2].float()).abs().mean()
    column, row = sampling_points(theta, frame)
    inside = (column >= 0) & (column <= frame[1] - 1) & (row >= 0) & (row <= frame[0] - 1)
    return float(area), float(inside.float().mean())


class _Recorder(TorchFunctionMode):
    def __init__(self, found: list[Map], inside: list[str]) -> None:
        super().__init__()
        self.found = found
        self.inside = inside

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        reader = _READERS.get(func)
        if reader is not None:
            with torch.no_grad():
                for kind, values, frame in reader(*args, **kwargs):
                    site = next((s for s in reversed(self.inside) if s), "")
                    self.found.append(Map(site, kind, values.detach().cpu().clone(), frame))
        return func(*args, **kwargs)


_Found = Iterator[tuple[Kind, Tensor, tuple[int, int] | None]]


def _of_modulate(x: Tensor, *gates: Tensor) -> _Found:
    for gate in gates:
        yield "gate", gate.reshape(*gate.shape, *[1] * (x.dim() - gate.dim())), None


def _of_warp(x: Tensor, theta: Tensor, size: tuple[int, int] | None = None) -> _Found:
    yield "theta", theta, (x.shape[2], x.shape[3])


def _of_attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score: Any = "scaled_dot",
    learned: tuple[Tensor, ...] = (),
    *,
    mask: Tensor | None = None,
    causal: bool = False,
    bias: Tensor | None = None,
    dropout: float = 0.0,
) -> _Found:
    options = {"mask": mask, "causal": causal, "bias": bias}
    yield "weights", attention_weights(query, key, score, learned, **options), None  # type: ignore[arg-type]


def _of_fused(  # noqa: PLR0917 - the arguments are PyTorch's
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> _Found:
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    logits = (query * factor) @ key.transpose(-2, -1)
    if is_causal:
        past = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).tril()
        logits = logits.masked_fill(~past, float("-inf"))
    if attn_mask is not None:
        logits = (
            logits.masked_fill(~attn_mask, float("-inf"))
            if attn_mask.dtype == torch.bool
            else logits + attn_mask
        )
    yield "weights", logits.softmax(-1).nan_to_num(0.0), None


def _drop(inside: list[str]) -> None:
    if inside:
        inside.pop()


_READERS: dict[Any, Any] = {
    modulate: _of_modulate,
    warp: _of_warp,
    attend: _of_attend,
    F.scaled_dot_product_attention: _of_fused,
}
