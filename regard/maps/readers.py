"""The calls that say by themselves what they attend with: our operations and some of PyTorch's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import RegardError
from ..ops import attend, modulate, warp
from ..ops.warping import sample, sampling_points
from .finding import Kind
from .fused import gradient_of, of_attend, of_product
from .places import Tokens
from .rows import Weights, dense


@dataclass(frozen=True, slots=True)
class Seen:
    """What one call attended with.

    Args:
        kind: of map.
        values: the map, or weights that can be written out.
        frame: height and width of what is sampled.
        gradient: from the gradient of the source, else of the call's output, to that of weights.
        source: the tensor that the model has as a gate, or as weights in an order of its own.
        tokens: what weights were made of and meet.
    """

    kind: Kind
    values: Tensor | Weights
    frame: tuple[int, int] | None = None
    gradient: Callable[[Tensor], Weights] | None = None
    source: Tensor | None = None
    tokens: Tokens | None = None

    @property
    def tensor(self) -> Tensor:
        """The values, of kinds other than weights."""
        if isinstance(self.values, Weights):
            raise TypeError("weights are written out by Weights.kept")
        return self.values

    @property
    def weights(self) -> Weights:
        """The values, of weights."""
        return self.values if isinstance(self.values, Weights) else dense(self.values)


_Seen = Iterator[Seen]


def _modulate(out: Any, x: Tensor, *gates: Tensor) -> _Seen:
    for gate in gates:
        formed = gate.reshape(*gate.shape, *[1] * (x.dim() - gate.dim()))
        yield Seen("gate", formed, source=gate)


def _warp(out: Tensor, x: Tensor, theta: Tensor, size: tuple[int, int] | None = None) -> _Seen:
    frame = (x.shape[2], x.shape[3])
    yield Seen("theta", theta, frame)
    yield Seen("points", torch.stack(sampling_points(theta, frame, size), -1), frame)
    yield Seen("sampled", out)


def _sample(out: Tensor, x: Tensor, column: Tensor, row: Tensor) -> _Seen:
    yield Seen("points", torch.stack(torch.broadcast_tensors(column, row), -1), _frame(x))
    yield Seen("sampled", out)


def _affine_grid(
    out: Tensor, theta: Tensor, size: list[int], align_corners: bool | None = None
) -> _Seen:
    if theta.dim() == 3 and theta.shape[1] == 2:
        yield Seen("theta", theta, (size[-2], size[-1]))


def _grid_sample(  # noqa: PLR0917 - the arguments are PyTorch's
    out: Tensor,
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> _Seen:
    if input.dim() != 4:
        return
    height, width = _frame(input)
    size = torch.tensor((width, height), dtype=grid.dtype, device=grid.device)
    places = (grid + 1) / 2 * (size - 1) if align_corners else ((grid + 1) * size - 1) / 2
    yield Seen("points", places, (height, width))
    yield Seen("sampled", out)


def _deform_conv2d(  # noqa: PLR0917 - the arguments are torchvision's
    out: Tensor,
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor,
    bias: Tensor,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    *rest: Any,
) -> _Seen:
    """torchvision's: offsets are (down, right) of each group's places, row by row."""
    high, wide = weight.shape[2:]
    moves = offset.unflatten(1, (-1, high * wide, 2))  # [B, g, k², 2, h, w]
    rows, columns = offset.shape[2:]
    tap_y, tap_x, row, column = (
        torch.arange(n, dtype=offset.dtype, device=offset.device)
        for n in (high, wide, rows, columns)
    )
    tap_y, tap_x = tap_y * dilation_h - pad_h, tap_x * dilation_w - pad_w
    row, column = row * stride_h, column * stride_w
    down = moves[:, :, :, 0] + tap_y.repeat_interleave(wide)[:, None, None] + row[:, None]
    right = moves[:, :, :, 1] + tap_x.repeat(high)[:, None, None] + column
    yield Seen("points", torch.stack((right, down), -1), _frame(input))


def _flex_attention(out: Any, *args: Any, **kwargs: Any) -> _Seen:
    raise RegardError(
        "flex_attention takes its scores from a function, so its weights cannot be seen; "
        'with transformers model.set_attn_implementation("sdpa") works'
    )


def _attend(out: Tensor, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kw: Any) -> _Seen:
    weights = of_attend(query, key, value, *args, **kw)
    gradient = partial(gradient_of, weights, value)
    yield Seen("weights", weights, gradient=gradient, tokens=Tokens(value, query=query))


def _product(
    out: Tensor, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kw: Any
) -> _Seen:
    weights = of_product(query, key, value, *args, **kw)
    gradient = partial(gradient_of, weights, value)
    yield Seen("weights", weights, gradient=gradient, tokens=Tokens(value, query=query))


def _frame(x: Tensor) -> tuple[int, int]:
    return x.shape[-2], x.shape[-1]


READERS: Mapping[Any, Callable[..., _Seen]] = {
    modulate: _modulate,
    warp: _warp,
    sample: _sample,
    attend: _attend,
    F.scaled_dot_product_attention: _product,
    F.affine_grid: _affine_grid,
    F.grid_sample: _grid_sample,
}
NAMED: Mapping[str, Callable[..., _Seen]] = {
    "torchvision.deform_conv2d": _deform_conv2d,
    "flex_attention": _flex_attention,
}
"""Operators by name, for their library may not be there, or is slow to import."""
