"""The one number of an output that is explained: a class, or what the caller says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ..errors import RegardError
from ..surgery.observation import left_as_found

Target: TypeAlias = int | Tensor | Callable[[Any], Tensor] | None


def call(model: nn.Module, x: Any) -> Any:
    """The model on a tensor, a tuple of arguments, or a mapping of keywords."""
    if isinstance(x, Mapping):
        return model(**x)
    return model(*x) if isinstance(x, tuple | list) else model(x)


def saying(written: Sequence[int]) -> Callable[[Any], Tensor]:
    """The mean log-probability of a text, each token given those before.

    Args:
        written: its ids, as an encoder-decoder was given them, the mark of the beginning first.

    Returns:
        A target: from an output with logits ``[B, T, V]`` to ``[B]``.
    """

    def score(output: Any) -> Tensor:
        return by_token(output, written).mean(1)

    return score


def by_token(output: Any, written: Sequence[int]) -> Tensor:
    """The log-probability of each token of a text after the first, ``[B, T - 1]``.

    Raises:
        RegardError: for an output that holds no scores of so many tokens.
    """
    logits = _logits(output)
    if not isinstance(logits, Tensor) or logits.dim() != 3 or logits.shape[1] != len(written):
        raise RegardError(f"the output holds no scores [B, {len(written)}, V] of what is written")
    after = torch.tensor(written[1:], device=logits.device).expand(len(logits), -1)
    return logits[:, :-1].float().log_softmax(-1).gather(2, after[..., None])[..., 0]


def _logits(output: Any) -> Any:
    found = output if isinstance(output, Tensor) else getattr(output, "logits", None)
    return output.get("logits") if isinstance(output, Mapping) and found is None else found


def logits_of(output: Any) -> Tensor:
    """Class scores ``[B, K]``: the output, or its ``logits``; of texts those of the last token.

    Raises:
        RegardError: where the output holds no such thing.
    """
    found = _logits(output)
    if isinstance(found, Tensor) and found.dim() == 3:
        found = found[:, -1]
    if not isinstance(found, Tensor) or found.dim() != 2:
        raise RegardError(
            f"the output ({type(output).__name__}) holds no scores of classes [B, K], nor logits; "
            "target=a function from the output to one number a sample would work"
        )
    return found


def scores_of(output: Any, target: Target) -> Tensor:
    """What is explained, ``[B]``.

    Args:
        output: of the model.
        target: a class, one a sample, a function from the output to ``[B]``, or None for the class
            with the highest score.

    Raises:
        RegardError: for a class that is not there, or an output without classes.
    """
    if callable(target) and not isinstance(target, Tensor):
        return target(output)
    logits = logits_of(output)
    chosen = logits.argmax(1) if target is None else torch.as_tensor(target, device=logits.device)
    chosen = chosen.expand(len(logits))
    if bool(((chosen < 0) | (chosen >= logits.shape[1])).any()):
        raise RegardError(f"target={target}: there are {logits.shape[1]} classes, from 0")
    return logits.gather(1, chosen[:, None])[:, 0]


def best_class(model: nn.Module, x: Any) -> int:
    """The class with the highest score for the first sample.

    Raises:
        RegardError: for an output without classes.
    """
    with left_as_found(model), torch.no_grad():
        return int(logits_of(call(model, x))[0].argmax())


@contextmanager
def differentiable(model: nn.Module) -> Iterator[list[nn.Parameter]]:
    """Eval mode, and gradients to all parameters, which stay without ``grad``; then as before."""
    parameters = list(model.parameters())
    wanted = [p.requires_grad for p in parameters]
    floats = [p for p in parameters if p.is_floating_point()]
    with left_as_found(model), torch.enable_grad():
        for p in floats:
            p.requires_grad_(True)
        try:
            yield floats
        finally:
            for p, flag in zip(parameters, wanted, strict=True):
                p.requires_grad_(flag)
