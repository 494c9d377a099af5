"""Layouts: how batch, channels and positions are arranged in a tensor.

``N`` batch, ``C`` channels, ``L`` tokens, ``D H W`` space. A *map* is channels first,
``[B, C, *space]``; *tokens* are ``[B, N, C]``.
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

from ..errors import RegardError

Layout = Literal["NCL", "NCHW", "NCDHW", "NHWC", "NDHWC", "NLC", "LNC"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)


def channel_axis(layout: Layout) -> int:
    """The axis that holds the channels."""
    return layout.index("C")


def space_dims(layout: Layout) -> int:
    """The number of position axes: 1 for tokens, 2 for images, 3 for volumes."""
    return len(layout) - 2


def to_map(x: Tensor, layout: Layout) -> Tensor:
    """``x`` as a map ``[B, C, *space]``, a view. Tokens become a map with one axis of space."""
    if has_torch_function((x,)):
        return handle_torch_function(to_map, (x,), x, layout)
    if layout == "LNC":
        return x.permute(1, 2, 0)
    axis = channel_axis(layout)
    # No view where none is needed: writing into one later, as hosts do, costs autograd a copy.
    return x if axis == 1 else x.movedim(axis, 1)


def from_map(y: Tensor, layout: Layout) -> Tensor:
    """The inverse of :func:`to_map`."""
    if has_torch_function((y,)):
        return handle_torch_function(from_map, (y,), y, layout)
    if layout == "LNC":
        return y.permute(2, 0, 1)
    axis = channel_axis(layout)
    return y if axis == 1 else y.movedim(1, axis)


def to_tokens(x: Tensor, layout: Layout | None = None) -> Tensor:
    """``x`` as tokens ``[B, N, C]``; pixels become tokens, row by row.

    Without a layout, three axes are tokens already and more are a map ``[B, C, *space]``.
    """
    if has_torch_function((x,)):
        return handle_torch_function(to_tokens, (x,), x, layout)
    layout = layout or _usual(x)
    return x if layout == "NLC" else to_map(x, layout).flatten(2).transpose(1, 2)


def from_tokens(y: Tensor, like: Tensor, layout: Layout | None = None) -> Tensor:
    """Tokens ``[B, N, C]`` back in the shape and layout of ``like``."""
    if has_torch_function((y, like)):
        return handle_torch_function(from_tokens, (y, like), y, like, layout)
    layout = layout or _usual(like)
    if layout == "NLC":
        return y
    space = to_map(like, layout).shape[2:]
    return from_map(y.transpose(1, 2).unflatten(2, space), layout)


def _usual(x: Tensor) -> Layout:
    usual: dict[int, Layout] = {3: "NLC", 4: "NCHW", 5: "NCDHW"}
    if x.dim() not in usual:
        raise RegardError(
            f"tokens [B, N, C] or a map [B, C, *space] are needed; got shape {tuple(x.shape)}"
        )
    return usual[x.dim()]


def expect(x: Tensor, axis: int, size: int | None, what: str, *, axes: int | None = None) -> Tensor:
    """``x`` itself, if ``x.shape[axis] == size`` and it has so many ``axes``; None takes any.

    Raises:
        RegardError: naming what was built for which size and what came.
    """
    if has_torch_function((x,)):
        return handle_torch_function(expect, (x,), x, axis, size, what, axes=axes)
    if x.dim() <= axis or axes not in (None, x.dim()):
        raise RegardError(
            f"{what} takes {axes or f'more than {axis}'} axes; the input has {x.dim()} "
            f"(shape {tuple(x.shape)})"
        )
    if size not in (None, x.shape[axis]):
        raise RegardError(
            f"{what} was built for {size} on axis {axis}; the input has {x.shape[axis]} "
            f"(shape {tuple(x.shape)})"
        )
    return x
