"""Where on a picture the keys and the queries of an attention lie.

Windows are cut, rolled, padded and folded into the batch in many ways, so no arrangement is known
here. What was done to the map before its attention was recorded call by call; the same calls on the
numbers of the map's places say where each of them went. Where a call mixes places, or is none of
those below, the way back ends, and a map nearer to the attention is taken, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from .places import Places, Tokens, as_it_is

MOST_NUMBERS = 2**24  # 64 MiB; each of them is exact in float32

_SHAPED = {"view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "contiguous", "clone"}
_MOVED = {
    "transpose", "permute", "movedim", "swapaxes", "t", "roll", "flip", "pad", "_pad", "unfold",
    "narrow", "select", "chunk", "split", "unbind", "tensor_split", "__getitem__", "swapdims",
    "__get__",  # x.mT
}  # fmt: skip
_MIXED_ALONG = {
    "linear": -1,
    "layer_norm": -1,
    "rms_norm": -1,
    "normalize": -1,
    "conv1d": 1,
    "conv2d": 1,
}
_JOINED = {"add", "add_", "sub", "mul", "mul_", "div", "__add__", "__mul__"}
_PRODUCTS = {"matmul", "__matmul__", "bmm"}
_KEPT = {
    "dropout", "to", "type_as", "float", "half", "bfloat16", "double", "batch_norm", "group_norm",
    "gelu", "relu", "silu", "hardswish", "leaky_relu", "sigmoid", "tanh", "detach", "cpu", "cuda",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    shape: tuple[int, ...]
    origin: tuple[int, ...]  # the shape that the way back ends with
    parent: _Step | None = None
    name: str = ""
    move: Callable[[Tensor], Tensor] = as_it_is


class Tracks:
    """How tensors came about by rearranging others, known as long as they live."""

    def __init__(self) -> None:
        self.picture: tuple[int, ...] = ()  # [B, C, H, W] of the input; empty where there is none
        self._known: Any = WeakTensorKeyDictionary()
        self._asking: Any = WeakTensorKeyDictionary()  # scores, and what their rows come from

    def begin(self, _: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Take what the model, or a part of it, is called with: a hook before a forward."""
        given = [x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)]
        pictures = (tuple(x.shape) for x in given if x.dim() == 4 and x.is_floating_point())
        self.picture = next(pictures, ())

    def follow(
        self, func: Any, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], out: Any
    ) -> None:
        """Take one call into account."""
        if not args or not isinstance(args[0], Tensor) or not self.picture:
            return
        if isinstance(out, Tensor):
            asking = self._step(args[0]) if name in _PRODUCTS else self._asking.get(args[0])
            if asking is not None:
                self._asking[out] = asking
        if name in _JOINED or name in _KEPT:
            self._keep(args, out)
        elif name in _MIXED_ALONG and isinstance(out, Tensor):
            self._mix(name, args, out)
        elif name in _SHAPED and isinstance(out, Tensor):
            shape = tuple(out.shape)
            self._know(out, args[0], name, lambda numbers: numbers.reshape(shape))
        elif name in _MOVED and not _holds_tensors(args[1:]):
            self._move(func, name, args, kwargs, out)

    def places(self, shape: tuple[int, ...], tokens: Tokens) -> Places | None:
        """Where the keys, which the values stand beside, and the queries of weights lie.

        Where nothing is known of the queries, they lie where the keys do, if there are as many.

        Args:
            shape: of the weights, ``[…, Nq, Nk]``.
            tokens: what they were made of and meet.
        """
        keys = self._of(self._step(tokens.values), tokens.form, (*shape[:-2], shape[-1]))
        if keys is None:
            return None
        asking = self._origin_of_rows(tokens)
        if asking is None:
            return keys if shape[-1] == shape[-2] else replace(keys, queries=None)
        asked = self._of(asking, as_it_is, shape[:-1])
        found = asked is not None and asked.frame == keys.frame
        return replace(keys, queries=asked.keys if asked and found else None)

    def _origin_of_rows(self, tokens: Tokens) -> _Step | None:
        if tokens.query is not None:
            return self._step(tokens.query)
        found: _Step | None = None if tokens.weights is None else self._asking.get(tokens.weights)
        return found

    def _keep(self, args: tuple[Any, ...], out: Any) -> None:
        """One number out of each, in its place; of two as large the one that comes from a map."""
        same = [x for x in args[:2] if isinstance(x, Tensor) and x.shape == out.shape]
        if same:
            steps = [self._step(x) for x in same]
            self._known[out] = next((s for s in steps if self._from_map(s)), steps[0])

    def _from_map(self, step: _Step) -> bool:
        return len(step.origin) == 4 and step.origin[0] == self.picture[0]

    def _mix(self, name: str, args: tuple[Any, ...], out: Tensor) -> None:
        axis, shape = _MIXED_ALONG[name], tuple(out.shape)
        if axis == 1 and (args[1].shape[2:].numel() > 1 or shape[2:] != args[0].shape[2:]):
            return

        def widened(numbers: Tensor) -> Tensor:
            return _constant(numbers, axis).expand(shape)

        self._know(out, args[0], name, widened)

    def _move(
        self, func: Any, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], out: Any
    ) -> None:
        rest = args[1:]
        if isinstance(out, Tensor):
            self._know(out, args[0], name, lambda numbers: func(numbers, *rest, **kwargs))
            return
        for place, part in enumerate(out if isinstance(out, tuple | list) else ()):
            if not isinstance(part, Tensor):  # of a shape
                return

            def one(numbers: Tensor, place: int = place) -> Tensor:
                parts: tuple[Tensor, ...] = func(numbers, *rest, **kwargs)
                return parts[place]

            self._know(part, args[0], name, one)

    def _know(
        self, out: Tensor, origin: Tensor, name: str, move: Callable[[Tensor], Tensor]
    ) -> None:
        parent = self._step(origin)
        self._known[out] = _Step(tuple(out.shape), parent.origin, parent, name, move)

    def _step(self, x: Tensor) -> _Step:
        found: _Step | None = self._known.get(x)
        return _Step(tuple(x.shape), tuple(x.shape)) if found is None else found

    def _of(
        self, tip: _Step, form: Callable[[Tensor], Tensor], wanted: tuple[int, ...]
    ) -> Places | None:
        """Where tokens lie, keys and queries alike; None where that is not told."""
        chain = list(_back(tip))[::-1]
        for start, origin in enumerate(chain):
            steps = chain[start + 1 :]
            for frame, numbers in self._readings(origin.shape):
                found = _replayed(numbers, [*(step.move for step in steps), form], wanted)
                if found is not None:
                    return Places(frame, found, found, tuple(step.name for step in steps))
        return None

    def _readings(self, shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, int], Tensor]]:
        """The numbers of a map's places, from 1, with its channels last and with them first."""
        numel = torch.Size(shape).numel()
        if len(shape) != 4 or shape[0] != self.picture[0] or numel > MOST_NUMBERS:
            return
        for rows, columns, channels in ((1, 2, 3), (2, 3, 1)):
            frame = shape[rows], shape[columns]
            if self._like_the_picture(frame):
                numbers = torch.arange(1, shape[0] * frame[0] * frame[1] + 1, dtype=torch.float32)
                yield frame, numbers.view(-1, *frame).unsqueeze(channels).expand(shape)

    def _like_the_picture(self, frame: tuple[int, int]) -> bool:
        """Whether a map is the picture in steps of equally many pixels down and across."""
        height, width = self.picture[2:]
        across = -(-width // frame[1])
        return min(frame) > 1 and abs(height / across - frame[0]) < 1


def _back(step: _Step | None) -> Iterator[_Step]:
    while step is not None:
        yield step
        step = step.parent


def _replayed(
    numbers: Tensor, moves: list[Callable[[Tensor], Tensor]], wanted: tuple[int, ...]
) -> Tensor | None:
    """Places after all moves in the shape that is wanted; None where one of them mixes places."""
    try:
        for move in moves:
            numbers = move(numbers)
        tokens = _constant(numbers, -1).squeeze(-1) - 1
        if tokens.numel() != torch.Size(wanted).numel():
            tokens = tokens.expand(wanted)
        return tokens.reshape(wanted).to(torch.int32)
    except (RuntimeError, ValueError, IndexError, TypeError, AttributeError):
        return None


def _constant(numbers: Tensor, axis: int) -> Tensor:
    """The first entries along an axis, if all are alike.

    Raises:
        ValueError: where they are not.
    """
    first = numbers.narrow(axis, 0, 1)
    if not bool((numbers == first).all()):
        raise ValueError("places are mixed")
    return first


def _holds_tensors(args: tuple[Any, ...]) -> bool:
    inside = [x for a in args for x in (a if isinstance(a, tuple | list) else (a,))]
    return any(isinstance(x, Tensor) for x in inside)
