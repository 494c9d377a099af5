"""Softmax and sigmoid, followed to what they weigh: so attention is seen whoever wrote it.

- What comes from a softmax and meets other numbers in a matrix product is ``weights``.
- What comes from a softmax and multiplies something larger, entry by entry, is ``shares``; but
  ``weights`` where it has one number for each of many vectors, as additive attention is written.
- What comes from a sigmoid and multiplies a larger map is a ``gate``; in a product of two things
  that are not parameters it is ``weights`` (sigmoid attention).

On the way there it may be viewed, cast, masked, scaled, mixed over heads, and pass dropout, before
which it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from .contracting import PRODUCTS, of_vectors, operands_of, summed, weighed
from .finding import Kind
from .places import Tokens, as_it_is
from .softmaxes import Softmaxes

Origin = Literal["softmax", "sigmoid"]

_SIGMOIDS = {"sigmoid", "sigmoid_", "hardsigmoid"}
_DROPOUT = {"dropout", "dropout_", "native_dropout"}
_EXPANDED = {"expand", "expand_as", "broadcast_to"}
_FOLLOWED = {
    "view", "view_as", "reshape", "reshape_as", "flatten", "unflatten", "squeeze", "unsqueeze",
    "transpose", "permute", "movedim", "swapaxes", "contiguous", "clone", "to", "type", "type_as",
    "float", "half", "bfloat16", "double", "masked_fill", "masked_fill_", "nan_to_num", "__get__",
    "__getitem__", "chunk", "split", "unbind", "narrow", "select", "index_select", "roll", "tile",
    "repeat_interleave", "t", "interpolate", "where", "cpu", "cuda", "detach", "detach_", "pad",
    "_pad", "as_strided",
}  # fmt: skip
_SCALED = {"mul", "mul_", "div", "div_", "true_divide", "add", "add_", "sub", "rsub", "__rsub__"}
_SUMS = {"add", "add_"}
_TIMES = {"mul", "mul_", "multiply"}
_MIXED = {"linear", "einsum", "conv2d", "matmul", "batch_norm", "instance_norm", "layer_norm"}


class Meeting(NamedTuple):
    """Weights, gates or shares as they meet what they weigh.

    Args:
        kind: of map.
        source: the map as the model has it, so that a gradient goes with it.
        form: from that to weights ``[…, Nq, Nk]``.
        tokens: the values that weights meet.
    """

    kind: Kind
    source: Tensor
    form: Callable[[Tensor], Tensor] = as_it_is
    tokens: Tokens | None = None


@dataclass(frozen=True, slots=True)
class _Trail:
    origin: Origin
    read: Tensor | None = None  # what to read where the tensor itself was dropped or expanded
    met: bool = False  # it was read before: the same weights may meet several values


class Trails:
    """The tensors that come from a softmax or a sigmoid, known as long as they live."""

    def __init__(self) -> None:
        self._known: Any = WeakTensorKeyDictionary()
        self._softmaxes = Softmaxes()

    def follow(
        self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], out: Any
    ) -> Iterator[Meeting]:
        """Take one call into account: what it meets, if it is where weights meet values."""
        softmax = self._softmaxes.made_by(name, args, out)
        if softmax or name in _SIGMOIDS:
            self._mark(out, _Trail("softmax" if softmax else "sigmoid"))
            return
        if name in _SUMS and len(args) == 2 and self._of(args[0]) is None:
            args = args[::-1]  # a straight-through estimate adds the weights last
        trail = self._of(args[0]) if args else None
        if name in PRODUCTS:
            yield from self._product(name, args, kwargs, out)
        elif name in _TIMES and len(args) == 2:
            yield from self._times(args, out)
        elif trail is not None:
            self._pass(name, args, trail, out)

    def _product(
        self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], out: Any
    ) -> Iterator[Meeting]:
        operands = operands_of(name, args, kwargs)
        for place, weights in enumerate(operands):
            trail = self._of(weights)
            if trail is None:
                continue
            other = operands[1 - place]
            if trail.origin == "sigmoid" and not _paired(weights, other):
                continue
            if isinstance(other, nn.Parameter) and out.shape == weights.shape:
                self._mark(out, _Trail("softmax"))  # mixed over heads
                continue
            read = weights if trail.read is None else trail.read
            form = None if trail.met else summed(name, args, read, place)
            if form is not None:
                self._mark(weights, replace(trail, met=True))
                tokens = Tokens(other, weighed(name, args, place), weights=weights)
                yield Meeting("weights", read, form, tokens)

    def _times(self, args: tuple[Any, ...], out: Any) -> Iterator[Meeting]:
        for gate, other in (args, args[::-1]):
            trail = self._of(gate)
            if trail is None:
                continue
            read = gate if trail.read is None else trail.read
            if not isinstance(other, Tensor) or other.dim() == 0:
                self._mark(out, _Trail(trail.origin))
            elif trail.origin == "softmax" and (form := of_vectors(read, other)) is not None:
                yield Meeting("weights", read, form)
            elif trail.origin == "softmax" and other.numel() <= read.numel():
                self._mark(out, _Trail("softmax"))
            elif trail.origin == "softmax":
                yield Meeting("shares", read)
            elif _gates(read, other):
                yield Meeting("gate", read)
            return

    def _pass(self, name: str, args: tuple[Any, ...], trail: _Trail, out: Any) -> None:
        other = args[1] if len(args) > 1 else None
        if name in _DROPOUT or name in _EXPANDED:
            read = args[0] if trail.read is None else trail.read
            self._mark(out, replace(trail, read=read))
        elif name in _FOLLOWED:
            self._mark(out, _Trail(trail.origin))
        elif name in _SCALED:
            small = isinstance(other, Tensor) and other.numel() <= args[0].numel()
            if not isinstance(other, Tensor) or (trail.origin == "softmax" and small):
                self._mark(out, _Trail(trail.origin))
        elif name in _MIXED and getattr(out, "shape", None) == args[0].shape:
            self._mark(out, _Trail(trail.origin))

    def origin(self, value: Tensor | None) -> Origin | None:
        """Where a tensor comes from; None for anything else."""
        trail = self._of(value)
        return None if trail is None else trail.origin

    def _of(self, value: Any) -> _Trail | None:
        return self._known.get(value) if isinstance(value, Tensor) else None

    def _mark(self, out: Any, trail: _Trail) -> None:
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, Tensor):
                self._known[tensor] = trail


def _paired(weights: Tensor, values: Tensor) -> bool:
    """Whether each sample has weights and values of its own, so that neither is a layer."""
    several = weights.dim() == values.dim() > 2
    return several and weights.shape[0] == values.shape[0] and not isinstance(values, nn.Parameter)


def _gates(gate: Tensor, x: Tensor) -> bool:
    """Whether a gate belongs to a map ``[B, C, *space]`` that is larger than itself."""
    if gate.dim() != x.dim() or x.dim() < 3 or gate.shape[0] != x.shape[0]:
        return False
    pairs = list(zip(gate.shape[1:], x.shape[1:], strict=True))
    broadcast = all(g in (1, n) for g, n in pairs) and any(g == 1 < n for g, n in pairs)
    # Three axes may be tokens [B, N, C], where the first of these would be the positions.
    return broadcast and (x.dim() > 3 or gate.shape[1] > 1)
