"""What attention with heads shares: project, split, attend, join, project again."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

from ..errors import RegardError
from ..ops import expect, from_tokens, to_tokens
from ..ops.attention import allowed_pairs
from ._gate import StartOption, adds_input, check_size, check_start, zero
from ._past import Past, continued, place_of, turned
from .multihead import check_heads


class Heads(nn.Module):
    """Projections around an attention that a subclass gives as ``mix``.

    Args:
        dim: D, width of the queries' source and of the output.
        heads: h; D must be divisible by it.
        groups: heads of keys and values, by default h.
        source_dim: E, width of the keys' and values' source, by default D.
        bias: biases in the four projections.
        residual: add the queries' source to the result; by default only at an identity start.
        start: ``paper`` or ``identity`` (output projection zero, residual).
    """

    name: ClassVar[str]
    gain: ClassVar[float | None] = 1.0  # of Xavier's start; None leaves that of PyTorch
    steps: ClassVar[bool] = True  # one query over kept keys finds what it finds in the whole text

    def __init__(
        self,
        dim: int,
        heads: int,
        groups: int | None = None,
        *,
        source_dim: int | None = None,
        bias: bool = False,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.dim, self.heads = check_size(dim, "dim"), check_heads(dim, heads)
        self.source_dim = dim if source_dim is None else check_size(source_dim, "source_dim")
        width = dim // heads * (heads if groups is None else groups)
        self.query = nn.Linear(dim, dim, bias, device, dtype)
        self.key = nn.Linear(self.source_dim, width, bias, device, dtype)
        self.value = nn.Linear(self.source_dim, width, bias, device, dtype)
        self.output = nn.Linear(dim, dim, bias, device, dtype)
        if self.gain is not None:
            for projection in (self.query, self.key, self.value):
                nn.init.xavier_uniform_(projection.weight, self.gain)
            nn.init.xavier_uniform_(self.output.weight)
        if check_start(start) == "identity":
            zero(self.output)
        self.residual = adds_input(start, residual)

    def mix(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool
    ) -> Tensor:
        """Values of all keys for each query, ``[B, h, Nq, D / h]``; all come with heads."""
        raise NotImplementedError

    def attention(
        self,
        query: Tensor,
        key: Tensor | None,
        value: Tensor | None,
        mask: Tensor | None,
        causal: bool = False,
        *,
        rotate: nn.Module | None = None,
        past: Past | None = None,
    ) -> Tensor:
        """The whole of ``forward``."""
        tokens = to_tokens(query)
        key = tokens if key is None else to_tokens(key)
        value = key if value is None else to_tokens(value)
        tokens = expect(tokens, -1, self.dim, f"{self.name} (queries)")
        if past is not None and not self.steps:
            raise RegardError(f"{self.name} keeps no past; call it with the whole sequence")
        q = turned(rotate, self.split(self.query(tokens)), place_of(past))
        k, v = continued(past, lambda place: self._project(key, value, rotate, place))
        out = self.mix(q, k, matched(q, k, v, self.name), mask, causal)
        out = self.output(out.transpose(1, 2).flatten(2))
        if self.output.bias is not None:
            out = silenced(out, allowed_pairs(q, k, mask, causal))
        projected = from_tokens(out, query)
        return query + projected if self.residual else projected

    def _project(
        self, key: Tensor, value: Tensor, rotate: nn.Module | None, place: int
    ) -> tuple[Tensor, Tensor]:
        """Keys and values with heads, keys turned as from the given place on."""
        k = self.split(self.key(expect(key, -1, self.source_dim, f"{self.name} (keys)")))
        v = self.split(self.value(expect(value, -1, self.source_dim, f"{self.name} (values)")))
        return turned(rotate, k, place), v

    def split(self, x: Tensor) -> Tensor:
        """``[B, N, heads · d]`` → ``[B, heads, N, d]``."""
        return x.unflatten(-1, (-1, self.dim // self.heads)).transpose(1, 2)


class FullHeads(Heads):
    """One that takes every mask and can be causal."""

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        mask: Tensor | None = None,
        causal: bool = False,
        *,
        rotate: nn.Module | None = None,
        past: Past | None = None,
    ) -> Tensor:
        """Attention of ``query`` over ``key``, by default over itself.

        Args:
            query: tokens ``[B, Nq, D]``, or a map ``[B, D, *space]`` attending over its pixels.
            key: ``[B, Nk, E]``, by default the query; value: ``[B, Nk, E]``, by default the key.
            mask: boolean, True = may attend; ``[B, Nk]``, ``[B, Nq, Nk]`` or ``[B, h, Nq, Nk]``.
            causal: a query sees no later key; the last query sees all keys.
            rotate: a code of places that turns queries and keys, such as ``rotary`` of width D / h.
            past: keys and values kept from the calls before, and from now on these; the queries
                stand behind them, a mask is for all keys.

        Returns:
            The shape of ``query``; zeros (the query itself with a residual) where a query may
            attend nowhere.
        """
        return self.attention(query, key, value, mask, causal, rotate=rotate, past=past)


def matched(query: Tensor, key: Tensor, value: Tensor, what: str) -> Tensor:
    """``value`` itself, if there is one for each key, and as many samples as queries."""
    if has_torch_function((query, key, value)):
        return handle_torch_function(matched, (query, key, value), query, key, value, what)
    # Not len(): it fixes the number of samples in an exported graph.
    batch = query.shape[0]
    if key.shape[-2] != value.shape[-2] or key.shape[0] != batch or value.shape[0] != batch:
        raise RegardError(
            f"{what} takes as many values as keys, in as many samples as queries; got queries "
            f"{tuple(query.shape)}, keys {tuple(key.shape)} and values {tuple(value.shape)}"
        )
    return value


def silenced(out: Tensor, allowed: Tensor | None) -> Tensor:
    """``out [B, Nq, D]`` with zeros where no head may attend anywhere; a bias would stand there."""
    if allowed is None:
        return out
    some = allowed.any(-1)
    some = some.any(1) if some.dim() == 3 else some
    return out.masked_fill(~some.unsqueeze(-1), 0.0)


def key_mask(mask: Tensor | None, key: Tensor, what: str) -> Tensor | None:
    """A mask ``[B, Nk]`` as ``[B, 1, Nk]``; the only one without a score for each pair."""
    if mask is None:
        return None
    if mask.dtype != torch.bool or mask.shape != (key.shape[0], key.shape[-2]):
        raise RegardError(
            f"{what} makes no score of each query and key; its mask is boolean (True = may attend) "
            f"with shape [B, Nk], here {[key.shape[0], key.shape[-2]]}; got {mask.dtype} "
            f"{list(mask.shape)}"
        )
    return mask[:, None]


def masked_softmax(scores: Tensor, allowed: Tensor | None) -> Tensor:
    """Weights over the last axis of ``scores``, zeros where nothing or no place is allowed."""
    if allowed is None:
        return scores.softmax(-1)
    if has_torch_function((scores, allowed)):
        return handle_torch_function(masked_softmax, (scores, allowed), scores, allowed)
    # Finite even where a row may attend nowhere: its gradient would be NaN otherwise.
    scores = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min)
    return scores.softmax(-1).masked_fill(~allowed, 0.0)


def widened(x: Tensor) -> Tensor:
    """``x`` in float32 where it is in half precision, whose sums overflow or lose digits."""
    if has_torch_function((x,)):
        return handle_torch_function(widened, (x,), x)
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
