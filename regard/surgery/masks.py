"""Padding masks of text hosts: which argument holds one, and what it said in the last call."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

from ..errors import RegardError, nearest
from ..ops import to_map
from ..ops.layout import Layout

_PLAIN = ("mask", "input_mask", "token_mask", "text_mask", "pad_mask")
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class HostMask:
    """The padding mask of the host's last call, kept for the sites that need it.

    It stays until the next call, because activation checkpointing runs sites again in backward.
    Two calls of the host before one backward therefore need their checkpointing off: both would be
    recomputed with the second mask. The copies that ``nn.DataParallel`` runs in threads would share
    one mask; use ``DistributedDataParallel``.

    Args:
        argument: name of the host's argument. In a name with ``pad``, True (or not zero) means
            padding, as in ``torch.nn.Transformer``; in any other it means a real token, as in
            transformers. A leading ``~`` turns that round.
        host: the model whose forward takes the argument.
    """

    def __init__(self, argument: str, host: nn.Module) -> None:
        self.argument = argument
        self.name = argument.removeprefix("~")
        self.marks_padding = ("pad" in self.name) != argument.startswith("~")
        parameters = inspect.signature(host.forward).parameters.values()
        names = [p.name for p in parameters if p.kind in _POSITIONAL]
        self.index = names.index(self.name) if self.name in names else None
        self.keep: Tensor | None = None

    def read(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Take the mask ``[B, N]`` from the arguments of a call; None means no padding."""
        given = kwargs.get(self.name)
        if given is None and self.index is not None and len(args) > self.index:
            given = args[self.index]
        self.keep = None if given is None else real_tokens(given, self.name, self.marks_padding)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "keep": None}


def real_tokens(given: Tensor, name: str, marks_padding: bool) -> Tensor:
    """The host's mask as booleans ``[B, N]``, True = a real token."""
    if has_torch_function((given,)):
        return handle_torch_function(real_tokens, (given,), given, name, marks_padding)
    if given.dim() != 2:
        raise RegardError(
            f"the host's {name} has shape {list(given.shape)}; a mask of tokens [batch, tokens] is "
            f"needed"
        )
    return given == 0 if marks_padding else given != 0


def fitting(keep: Tensor, x: Tensor, layout: Layout) -> Tensor:
    """The mask of real tokens, if it has one entry for each position of ``x``; on its device."""
    if has_torch_function((keep, x)):
        return handle_torch_function(fitting, (keep, x), keep, x, layout)
    batch, _, *space = to_map(x, layout).shape
    if keep.shape != (batch, *space):
        raise RegardError(
            f"the host's mask has shape {list(keep.shape)}, but the site has {[batch, *space]} "
            f"tokens: it is that of another sequence, or counts cached tokens too; plug with "
            f"another mask=, run without the cache, or say mask=False if nothing is ever padded"
        )
    return keep.to(x.device)


def mask_arguments(model: nn.Module, example: Any = None) -> list[str]:
    """Arguments of a host's forward, or of the example, that may say which tokens are padding."""
    given = list(example) if isinstance(example, Mapping) else []
    names = dict.fromkeys([*inspect.signature(model.forward).parameters, *given])
    sure = [n for n in names if n.endswith(("padding_mask", "attention_mask"))]
    # Beside one of those, a plain ``mask`` says which pairs of tokens may meet.
    return sure or [n for n in names if n in _PLAIN]


def check_mask(
    model: nn.Module, mask: str | bool | None, tokens: bool, example: Any = None
) -> str | None:
    """The name of the host's mask, or None where nothing is padded.

    Raises:
        RegardError: if a site holds tokens, the host takes a mask and none is named, or if the host
            has no such argument.
    """
    found = mask_arguments(model, example)
    if mask is False or (mask is None and not (tokens and found)):
        return None
    if mask is None or mask is True:
        raise RegardError(
            f"{type(model).__name__} takes {' and '.join(found) or 'no mask by a known name'}, and "
            f"a mechanism at a site of tokens would see the padding: say "
            f"mask={(found or ['NAME'])[0]!r}, or mask=False if nothing is ever padded"
        )
    parameters = inspect.signature(model.forward).parameters
    free = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if mask.removeprefix("~") not in parameters and not free:
        raise RegardError(
            f"mask={mask!r}: the forward of {type(model).__name__} has no such argument"
            f"{nearest(mask, parameters)}"
        )
    return mask
