"""The data flow of a mechanism, read from one real forward.

The mechanism is built from its card and run on random numbers; every call of a PyTorch function or
of a shared operation of this package is seen through ``__torch_function__``, with the tensors that
go in and come out. Nothing is drawn by hand, so nothing can be out of date.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..cards import Card
from ..checks.specimen import SIZES, Specimen, accepts, specimen, takes_two_resolutions
from ..ops import using
from .vocabulary import FORMS, KINDS, PRODUCTS, SIZES_ALONE, Kind, plain_name, word

SIZE = 64  # of the drawn mechanism, where it takes that


@dataclass(slots=True)
class Call:
    """One operation of a forward, or one of its inputs.

    Args:
        kind: of step; ``input`` for what forward was called with.
        items: what is done, in order.
        sources: places in the list of the calls whose results it takes.
        shapes: of the result; of equal calls side by side, each shape once.
        count: how many equal ones stand side by side.
    """

    kind: Kind | str
    items: list[str]
    sources: list[int]
    shapes: tuple[tuple[int, ...], ...]
    count: int = 1


@dataclass(frozen=True, slots=True)
class Flow:
    """Calls in the order in which they were made.

    Args:
        calls: inputs first.
        ends: the calls whose results forward gives back.
        shape: of what forward gives back.
        inputs: what was put in, in words.
    """

    calls: list[Call]
    ends: list[int]
    shape: tuple[int, ...]
    inputs: str


def trace(card: Card) -> Flow:
    """Run a mechanism once and say what it did; the same card gives the same flow.

    Raises:
        RegardError: where the mechanism refuses its own card's options.
    """
    subject = _subject(card)
    inputs = subject.inputs()
    module = subject.build().eval()
    names = _arguments(card, len(inputs))
    watch = _Watch()
    for name, tensor in zip(names, inputs, strict=True):
        watch.enter(Call("input", [name], [], (tuple(tensor.shape),)), tensor)
    with torch.no_grad(), using("torch"), watch:
        out = module(*inputs)
    ends = list(dict.fromkeys(watch.places[id(t)] for t in _tensors(out) if id(t) in watch.places))
    shapes = ", ".join(
        f"{name} {list(tensor.shape)}" for name, tensor in zip(names, inputs, strict=True)
    )
    return Flow(watch.calls, ends, tuple(out.shape), shapes)


def _subject(card: Card) -> Specimen:
    dims = 2 if 2 in card.dims else card.dims[0]
    if SIZE in SIZES and accepts(card, SIZE):
        return Specimen(card, SIZE, dims, takes_two_resolutions(card, SIZE, dims))
    return specimen(card)


def _arguments(card: Card, count: int) -> list[str]:
    """Names of the first arguments of forward."""
    names = ["x", "y"] if card.takes in ("map", "maps", "convolution") else ["query", "key"]
    return ["tokens"] if card.takes in ("pooled", "position") else names[:count]


class _Watch(TorchFunctionMode):
    """Sees every call of a forward, and which calls its tensors come from."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.places: dict[int, int] = {}  # id of a tensor → place of the call that made it
        self.learned: set[int] = set()  # ids of what follows from parameters alone
        self.kept: list[Tensor] = []  # so that no id is given twice

    def enter(self, call: Call, *results: Tensor) -> None:
        """Take a call and its results into the list."""
        self.calls.append(call)
        self._alias(len(self.calls) - 1, results)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        given = list(_tensors((args, kwargs)))
        shapes = [tuple(t.shape) for t in given]
        out = func(*args, **kwargs)
        results = list(_tensors(out))
        self.kept += [*given, *results]
        name = plain_name(func)
        if results and name not in SIZES_ALONE:
            self._see(name, (args, kwargs), given, results, shapes)
        return out

    def _see(
        self, name: str, arguments: Any, given: list[Tensor], results: list[Tensor], shapes: Any
    ) -> None:
        sources = list(dict.fromkeys(self.places[id(t)] for t in given if id(t) in self.places))
        learned = any(isinstance(t, nn.Parameter) or id(t) in self.learned for t in given)
        if not sources:
            if learned:
                self.learned |= {id(t) for t in results}
            return
        if name in FORMS:
            self._alias(sources[0], results)
            return
        flowing = [id(t) for t in given if id(t) in self.places]
        if name == "mul" and len(flowing) > len(set(flowing)) == 1:
            name = "square"
        kind, items = _step(name, arguments, len(set(flowing)), learned, shapes)
        self.enter(Call(kind, items, sources, (tuple(results[0].shape),)), *results)

    def _alias(self, place: int, results: Any) -> None:
        self.kept += results
        self.places |= {id(t): place for t in results}


def _step(
    name: str, arguments: Any, tensors: int, learned: bool, shapes: list[tuple[int, ...]]
) -> tuple[Kind, list[str]]:
    """Kind and words of one call with so many tensors of the flow."""
    alone = tensors == 1
    kind: Kind = KINDS.get(name, "compute")
    said = word(name, learned, alone)
    if name in _READERS:
        given, named = arguments
        said = _READERS[name](given, named, shapes)
    elif name in ("mul", "modulate") and not alone:
        kind, said = "modulate", "×"
    elif name in PRODUCTS:
        kind = "layers" if alone and learned else "combine"
    elif kind == "combine" and alone and name not in ("cat", "stack"):
        kind = "compute"
    return kind, [said]


def _statistics(given: Any, named: Any, shapes: Any) -> str:
    over = given[1] if len(given) > 1 else named["over"]
    stats = given[2] if len(given) > 2 else named.get("stats", ("mean",))
    return f"{' and '.join(stats)} over {over}"


def _score(given: Any, named: Any, shapes: Any) -> str:
    score = given[3] if len(given) > 3 else named.get("score", "scaled_dot")
    return word(str(getattr(score, "name", score)), False, True)


def _convolution(given: Any, named: Any, shapes: Any) -> str:
    """``conv 3×3, each channel``: the kernel, and whether channels are mixed."""
    kernel = "×".join(str(n) for n in shapes[1][2:])
    groups = named.get("groups", given[6] if len(given) > 6 else 1)
    if groups == 1:
        return f"conv {kernel}"
    return f"conv {kernel}, " + ("each channel" if shapes[1][1] == 1 else f"{groups} groups")


_READERS: Mapping[str, Callable[[Any, Any, Any], str]] = {
    "statistics": _statistics,
    "attend": _score,
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _convolution),
}
"""Operations whose arguments tell more than their name."""


def _tensors(value: Any) -> Iterator[Tensor]:
    """All tensors inside tuples, lists and mappings, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
