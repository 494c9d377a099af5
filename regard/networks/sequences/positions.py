"""Positions of a Transformer by name, in whatever form the catalogue has them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...catalogue import card, get, names, options_of
from ...errors import RegardError, nearest


class Positions(nn.Module):
    """A position code of the catalogue, or none.

    Codes that are added go onto the embedding; codes that turn, and biases, go into the
    self-attention of every layer, which all share them, as in T5.

    Args:
        name: ``none``, ``sinusoidal``, ``learned``, ``rotary``, ``alibi``, ``t5_bias`` or another.
        dim: D, width of the tokens.
        heads: h, of the attention.
        length: the most tokens that learned positions know.
        causal: for a decoder, where T5's bias tells earlier keys only.

    Raises:
        RegardError: for a name that is no position code.
    """

    def __init__(
        self,
        name: str,
        dim: int,
        heads: int,
        *,
        length: int = 512,
        causal: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.name, self.form, self.heads = name, form_of(name), heads
        if not self.form:
            return
        size = {"add": dim, "rotate": dim // heads, "bias": heads}[self.form]
        known: dict[str, Any] = {"length": length, "bidirectional": not causal}
        taken = options_of(card(name))
        options = {option: value for option, value in known.items() if option in taken}
        self.code = get(name, size, device=device, dtype=dtype, **options)

    def add(self, x: Tensor, place: int = 0) -> Tensor:
        """Tokens ``x [B, N, D]`` with their code, the first at ``place``."""
        return self.code(x, place) if self.form == "add" else x

    def given(self, x: Tensor, place: int = 0) -> dict[str, Any]:
        """What self-attention is given for the tokens ``x``, with ``place`` tokens before them."""
        if self.form == "rotate":
            return {"rotate": self.code}
        if self.form == "bias":
            # For their numbers alone: queries, and keys as many and those before.
            query, key = (
                x.new_empty(1).expand(1, self.heads, n, 1) for n in (x.shape[1], place + x.shape[1])
            )
            return {"bias": self.code(query, key)}
        return {}

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return self.name


def form_of(name: str) -> str:
    """``add``, ``rotate`` or ``bias``; nothing for ``none``."""
    if name == "none":
        return ""
    known = ("none", *names(takes="position"))
    try:
        found = card(name)
    except RegardError:
        raise RegardError(f"no positions are called {name!r}{nearest(name, known)}") from None
    if found.takes != "position":
        raise RegardError(f"{name} is no position code; these are: {', '.join(known)}")
    return found.position
