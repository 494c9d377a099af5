"""Which axis of a site's tensor holds the channels: told by types, widths and batch size."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..errors import RegardError
from ..ops.layout import LAYOUTS, Layout

_FIRST = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
)
_CHANNELS_FIRST: dict[int, Layout] = {3: "NCL", 4: "NCHW", 5: "NCDHW"}
_CHANNELS_LAST: dict[int, Layout] = {3: "NLC", 4: "NHWC", 5: "NDHWC"}


def infer_layout(
    name: str, site: nn.Module, shape: tuple[int, ...], model: nn.Module, batch: int | None
) -> Layout:
    """The layout of a site's tensor.

    Args:
        name: of the site in the model.
        site: the module.
        shape: of the tensor.
        model: the host, for the modules around the site.
        batch: size of the example's batch, to tell batch from length.

    Raises:
        RegardError: if the shape has no positions, or if it could be read in two ways.
    """
    if len(shape) not in _CHANNELS_FIRST:
        raise RegardError(
            f"site {name!r} gives shape {list(shape)}: attention needs channels and at least one "
            f"axis of positions, 3 to 5 axes in all"
        )
    if isinstance(site, _FIRST):
        return _CHANNELS_FIRST[len(shape)]
    if type(site) in (nn.Linear, nn.LayerNorm, nn.RMSNorm, nn.Embedding, nn.MultiheadAttention):
        first = False
    else:
        first = _channels_first(name, site, shape, model)
    if first:
        return _CHANNELS_FIRST[len(shape)]
    return _CHANNELS_LAST[len(shape)] if len(shape) > 3 else _tokens(name, shape, model, batch)


def check_layout(layout: str, name: str, dims: int) -> Layout:
    """``layout`` itself, if it is known and has as many axes as the site's tensor."""
    known = [known for known in LAYOUTS if len(known) == dims]
    if layout not in known:
        raise RegardError(
            f"layout is {layout!r}; site {name!r} has {dims} axes: {' or '.join(known)}"
        )
    return layout


def _channels_first(name: str, site: nn.Module, shape: tuple[int, ...], model: nn.Module) -> bool:
    """Compare the second and the last axis with the widths of layers, inside first, then around."""
    for scope in (site, model):
        first, last = widths(scope)
        one, other = shape[1] in first, shape[-1] in first | last
        if one != other:
            return one
        squares = len(set(shape[2:])) == 1, len(set(shape[1:-1])) == 1
        if one and len(shape) > 3 and squares[0] != squares[1]:
            return squares[0]
    raise RegardError(
        f"site {name!r} gives shape {list(shape)}, and the channels could be either axis; say "
        f"layout='{_CHANNELS_FIRST[len(shape)]}' or layout='{_CHANNELS_LAST[len(shape)]}'"
    )


def widths(scope: nn.Module) -> tuple[set[int], set[int]]:
    """Widths of the layers in ``scope`` with channels first, and of those with channels last."""
    first, last = set(), set()
    for module in scope.modules():
        if isinstance(module, _FIRST):
            first |= {_whole(module, a) for a in ("out_channels", "num_features", "num_channels")}
        elif isinstance(module, nn.Linear):
            last.add(module.out_features)
        elif type(module) in (nn.LayerNorm, nn.RMSNorm):
            last.add(int(module.normalized_shape[-1]))  # type: ignore[index]
        elif isinstance(module, nn.Embedding):
            last.add(module.embedding_dim)
    return first - {0}, last


def _whole(module: nn.Module, name: str) -> int:
    value: Any = getattr(module, name, 0)
    return value if isinstance(value, int) else 0


def _tokens(name: str, shape: tuple[int, ...], model: nn.Module, batch: int | None) -> Layout:
    """NLC or LNC, by the nearest module that says ``batch_first``, else by the example's batch."""
    path = name.split(".") if name else []
    for depth in range(len(path), -1, -1):
        around = model.get_submodule(".".join(path[:depth]))
        said = {m.batch_first for m in around.modules() if hasattr(m, "batch_first")}
        if len(said) == 1:
            return "NLC" if said.pop() else "LNC"
    if batch is not None and shape[0] == shape[1] == batch > 1:
        raise RegardError(
            f"site {name!r} gives shape {list(shape)}: batch and length are equal; use an example "
            f"with another batch size, or say layout='NLC' or layout='LNC'"
        )
    return "LNC" if batch is not None and shape[0] != batch == shape[1] else "NLC"
