"""Weights as they meet their values: which of their axes is summed over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from string import ascii_uppercase
from typing import Any, NamedTuple

import torch
from torch import Size, Tensor

from .places import as_it_is


def operands_of(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """The two tensors of a product; none where it has another form."""
    if name == "einsum":
        given: list[Any] = list(args[1:])
        if len(given) == 1 and isinstance(given[0], list | tuple):
            given = list(given[0])
    else:
        given = [*args, *kwargs.values()][:2]
    return given if len(given) == 2 and all(isinstance(t, Tensor) for t in given) else []


_Form = Callable[[Tensor], Tensor]


def summed(name: str, args: tuple[Any, ...], weights: Tensor, place: int) -> _Form | None:
    """From the operand at ``place`` to ``[…, Nq, Nk]``: keys are what the product sums over.

    The gradient of the operand takes the same way. None where nothing is summed over.
    """
    return _FORMS[name](args, weights, place)


def of_vectors(weights: Tensor, values: Tensor) -> _Form | None:
    """From one weight for each vector to ``[B, Nq, Nk]``, where a product entry by entry has that.

    Additive attention is often written so, with a sum over the vectors after it. It is told from
    branch weights by its axes, and by which of them sums to one.

    Args:
        weights: ``[B, Nk, 1]``, ``[Nk, B, 1]``, or of several queries ``[B, Nq, Nk, 1]``.
        values: ``[B, Nk, D]``, ``[Nk, B, D]`` or ``[B, 1, Nk, D]``.
    """
    if weights.dim() != values.dim() or weights.shape[-1] != 1 or values.shape[-1] == 1:
        return None
    if weights.dim() == 3 and weights.shape[:2] == values.shape[:2]:
        if _sums_to_one(weights, 1):
            return partial(torch.transpose, dim0=1, dim1=2)
        return partial(torch.permute, dims=(1, 2, 0)) if _sums_to_one(weights, 0) else None
    shared = weights.dim() == 4 and values.shape[1] == 1 and weights.shape[2] == values.shape[2]
    return partial(torch.squeeze, dim=-1) if shared and _sums_to_one(weights, 2) else None


def _sums_to_one(weights: Tensor, axis: int) -> bool:
    sums = weights.detach().float().sum(axis)
    return weights.shape[axis] > 1 and bool((sums - 1).abs().max() < 0.01)


def weighed(name: str, args: tuple[Any, ...], place: int) -> Callable[[Tensor], Tensor]:
    """From what weights at ``place`` sum over to ``[…, Nk, d]``, where anything is summed over."""
    axes = _axes(args, place) if name == "einsum" else None
    if axes is not None:
        return partial(_ordered, batch=axes.batch, keys=axes.keys, term=axes.other)
    return partial(torch.transpose, dim0=-2, dim1=-1) if place else as_it_is


def _of_matmul(args: tuple[Any, ...], weights: Tensor, place: int) -> _Form:
    return partial(_oriented, turned=bool(place))


def _oriented(weights: Tensor, turned: bool) -> Tensor:
    if weights.dim() == 1:
        return weights[None, None]
    oriented = weights.transpose(-2, -1) if turned else weights
    return oriented[None] if oriented.dim() == 2 else oriented


def _of_linear(args: tuple[Any, ...], weights: Tensor, place: int) -> _Form | None:
    return None if place else _of_matmul(args, weights, 0)


def _of_convolution(args: tuple[Any, ...], weights: Tensor, place: int) -> _Form | None:
    """Entries of a memory, in the axis of the channels: a convolution of one pixel sums over it."""
    if place or weights.dim() != args[1].dim() or any(n > 1 for n in args[1].shape[2:]):
        return None
    return lambda x: x.flatten(2).transpose(1, 2)


def _of_einsum(args: tuple[Any, ...], weights: Tensor, place: int) -> _Form | None:
    axes = _axes(args, place)
    if axes is None:
        return None
    ordered = partial(_ordered, batch=axes.batch, keys=axes.keys, term=axes.mine)
    return lambda x: _oriented(ordered(x), turned=True)


class _Axes(NamedTuple):
    """Letters of an einsum."""

    mine: str
    other: str
    batch: list[str]
    keys: list[str]


def _axes(args: tuple[Any, ...], place: int) -> _Axes | None:
    """Of the weights at ``place`` and what they meet; None where nothing is summed over."""
    tensors = operands_of("einsum", args, {})
    if not isinstance(args[0], str) or not tensors:
        return None
    inputs, arrow, output = args[0].replace(" ", "").partition("->")
    terms = [_spelled(t, x) for t, x in zip(inputs.split(","), tensors, strict=True)]
    mine, other = terms[place], terms[1 - place]
    kept = set(output) if arrow else {s for s in mine + other if (mine + other).count(s) == 1}
    if arrow and "." in output:
        kept |= set(ascii_uppercase)
    keys = [s for s in mine if s not in kept and s in other]
    queries = [s for s in mine if s in kept and s not in other]
    batch = [s for s in mine if s not in keys and s not in queries]
    return _Axes(mine, other, batch, keys) if keys else None


def _ordered(x: Tensor, batch: list[str], keys: list[str], term: str) -> Tensor:
    """``[*batch, keys, all others]``; an axis of the batch that is not there has one entry."""
    rest = [s for s in term if s not in batch and s not in keys]
    there = [s for s in batch if s in term]
    flat = x.permute([term.index(s) for s in (*there, *keys, *rest)])
    front = [x.shape[term.index(s)] if s in term else 1 for s in batch]
    count = [x.shape[term.index(s)] for s in keys]
    return flat.reshape(*front, Size(count).numel(), -1)


def _spelled(term: str, x: Tensor) -> str:
    """The letters of one operand, an ellipsis written out in capitals, the last axes alike."""
    missing = x.dim() - len(term.replace("...", ""))
    return term.replace("...", ascii_uppercase[26 - missing :] if missing else "")


_FORMS: Mapping[str, Callable[[tuple[Any, ...], Tensor, int], _Form | None]] = {
    "matmul": _of_matmul,
    "__matmul__": _of_matmul,
    "bmm": _of_matmul,
    "mm": _of_matmul,
    "mv": _of_matmul,
    "linear": _of_linear,
    "einsum": _of_einsum,
    "conv1d": _of_convolution,
    "conv2d": _of_convolution,
}
PRODUCTS = frozenset(_FORMS)
