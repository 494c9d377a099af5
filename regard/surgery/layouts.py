"""Which axis of a site's tensor holds the channels, and which the batch.

Told, in this order, by the module's type; by modules of known type that meet the very same tensor
in the run, or the one of the same shape that went into the site; by all known modules of the run,
where they agree; by the widths of the layers inside and around. What remains open is an error that
asks for ``layout=``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from ..errors import RegardError
from ..ops.layout import LAYOUTS, Layout
from .patterns import host_modules

_FIRST = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
    nn.Upsample,
    nn.PixelShuffle,
    nn.PixelUnshuffle,
)
# Subclasses of these may well permute, as the LayerNorm2d of many networks does.
_LAST = (nn.Linear, nn.Embedding, nn.MultiheadAttention, nn.RNN, nn.LSTM, nn.GRU)
_LAST_NORMS = (nn.LayerNorm, nn.RMSNorm)
_CHANNELS_FIRST: dict[int, Layout] = {3: "NCL", 4: "NCHW", 5: "NCDHW"}
_CHANNELS_LAST: dict[int, Layout] = {3: "NLC", 4: "NHWC", 5: "NDHWC"}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the modules of known type showed in one run.

    Args:
        tensors: number of a tensor → whether it has its channels first, as each of them has it.
        axes: number of a tensor's axes → the same, of all tensors they met.
        batches: sizes of the batch in modules that say ``batch_first``.
        unbatched: names of convolutions that were given a map without a batch axis.
    """

    tensors: dict[int, set[bool]] = field(default_factory=dict)
    axes: dict[int, set[bool]] = field(default_factory=dict)
    batches: set[int] = field(default_factory=set)
    unbatched: list[str] = field(default_factory=list)

    def note(self, name: str, module: nn.Module, shape: tuple[int, ...], number: int) -> None:
        """A tensor that the module takes or gives."""
        first = channels_first(module)
        if isinstance(module, nn.modules.conv._ConvNd) and len(shape) != dims_of(module) + 2:
            self.unbatched.append(name)
        elif first is not None and len(shape) > 2:
            self.tensors.setdefault(number, set()).add(first)
            self.axes.setdefault(len(shape), set()).add(first)
        said = getattr(module, "batch_first", None)
        if isinstance(said, bool) and len(shape) == 3:
            self.batches.add(shape[0] if said else shape[1])

    def channels_first(self, numbers: tuple[int, ...], axes: int) -> bool | None:
        """For a tensor: what modules that met it say, else what all say of as many axes.

        Attention weights ``[B, h, N, N]`` also appear where all maps have their channels last.
        """
        for number in numbers:
            said = self.tensors.get(number, set())
            if len(said) == 1:
                return next(iter(said))
        everywhere = set().union(*self.axes.values())
        if len(everywhere) == 1 and axes in self.axes and (True in everywhere or axes == 3):
            return True in everywhere
        return None


def channels_first(module: nn.Module) -> bool | None:
    """What the type of a module tells of its tensors, None if nothing."""
    if isinstance(module, _FIRST):
        return True
    norm = type(module) in _LAST_NORMS and len(module.normalized_shape) == 1  # type: ignore[arg-type]
    return False if norm or type(module) in _LAST else None


def dims_of(module: nn.Module) -> int:
    """Spatial dimensions of a convolution or of a normalisation over the batch; 0 if unknown."""
    if isinstance(module, nn.modules.conv._ConvNd):
        return len(module.kernel_size)
    if not isinstance(module, nn.modules.batchnorm._NormBase):
        return 0
    named = (c.__name__[-2:] for c in type(module).__mro__ if c.__module__.startswith("torch.nn"))
    return next((int(end[0]) for end in named if end in ("1d", "2d", "3d")), 0)


def infer_layout(
    name: str,
    site: nn.Module,
    shape: tuple[int, ...],
    model: nn.Module,
    *,
    numbers: tuple[int, ...],
    evidence: Evidence,
) -> Layout:
    """The layout of a site's tensor.

    Args:
        name: of the site in the model.
        site: the module.
        shape: of the tensor.
        model: the host, for the modules around the site.
        numbers: of the tensor in the evidence, and of one that has the same layout.
        evidence: of the run that gave the tensor.

    Raises:
        RegardError: if the shape has no positions, or if it could be read in two ways.
    """
    if len(shape) not in _CHANNELS_FIRST:
        raise RegardError(
            f"site {name!r} gives shape {list(shape)}: attention needs channels and at least one "
            f"axis of positions, 3 to 5 axes in all"
        )
    if evidence.unbatched:
        raise RegardError(
            f"the example has no batch axis: {evidence.unbatched[0]!r} was given a single map; "
            f"give a batch of one or more, x[None]"
        )
    known = (channels_first(site), evidence.channels_first(numbers, len(shape)))
    first = next((k for k in known if k is not None), None)
    if _by_widths(name, site, shape, model) if first is None else first:
        return _CHANNELS_FIRST[len(shape)]
    if len(shape) > 3:
        return _CHANNELS_LAST[len(shape)]
    return _tokens(name, shape, model, evidence.batches)


def check_layout(layout: str, name: str, dims: int) -> Layout:
    """``layout`` itself, if it is known and has as many axes as the site's tensor."""
    known = [known for known in LAYOUTS if len(known) == dims]
    if layout not in known:
        would = " or ".join(known) or "none; attention needs 3 to 5"
        raise RegardError(f"layout is {layout!r}; site {name!r} has {dims} axes: {would}")
    return layout


def _by_widths(name: str, site: nn.Module, shape: tuple[int, ...], model: nn.Module) -> bool:
    """Compare the second and the last axis with the widths of layers, inside first, then around.

    A square image is a hint too: where widths and square contradict each other, nothing is told.
    """
    squares = len(set(shape[2:])) == 1, len(set(shape[1:-1])) == 1
    square = squares[0] if len(shape) > 3 and squares[0] != squares[1] else None
    for scope in (site, model):
        first, last = widths(scope)
        one, other = shape[1] in first, shape[-1] in first | last
        if one != other and square in (None, one):
            return one
        if one and other and square is not None:
            return square
    raise RegardError(
        f"site {name!r} gives shape {list(shape)}, and the channels could be either axis; say "
        f"layout={_CHANNELS_FIRST[len(shape)]!r} or layout={_CHANNELS_LAST[len(shape)]!r}"
    )


def widths(scope: nn.Module) -> tuple[set[int], set[int]]:
    """Widths of the layers in ``scope`` with channels first, and of those with channels last."""
    first, last = set(), set()
    for _, module in host_modules(scope):
        if isinstance(module, _FIRST):
            first |= {_whole(module, a) for a in ("out_channels", "num_features", "num_channels")}
        elif isinstance(module, nn.Linear):
            last.add(module.out_features)
        elif type(module) in _LAST_NORMS:
            last.add(int(module.normalized_shape[-1]))  # type: ignore[index]
        elif isinstance(module, nn.Embedding):
            last.add(module.embedding_dim)
    return first - {0}, last


def _whole(module: nn.Module, name: str) -> int:
    value: Any = getattr(module, name, 0)
    return value if isinstance(value, int) else 0


def _tokens(name: str, shape: tuple[int, ...], model: nn.Module, batches: set[int]) -> Layout:
    """NLC or LNC, by the size of the batch, else by the nearest module with ``batch_first``.

    ``[k B, B, C]`` may be k B tokens of B samples, or k windows a sample, of B tokens each.
    """
    found = [axis for axis in (0, 1) if shape[axis] in batches]
    if found == [0]:
        return "NLC"
    if found == [1] and shape[0] % shape[1]:
        return "LNC"
    path = name.split(".") if name else []
    for depth in range(len(path), -1, -1):
        around = model.get_submodule(".".join(path[:depth]))
        said = {m.batch_first for _, m in host_modules(around) if hasattr(m, "batch_first")}
        if len(said) == 1:
            return "NLC" if said.pop() else "LNC"
    if found and shape[0] > 1:
        raise RegardError(
            f"site {name!r} gives shape {list(shape)}, and batch and length cannot be told apart; "
            f"use an example with another batch size, or say layout='NLC' or layout='LNC'"
        )
    return "NLC"
