"""The layers of a Transformer: attention, a feed-forward network, residuals around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import RegardError
from ...mechanisms._past import Past
from .attention import LayerSetting, cross_attention, self_attention, steps
from .tokens import check_count, check_share

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU}


class Residual(nn.Module):
    """A branch and its residual: ``norm(x + branch(x))`` (post) or ``x + branch(norm(x))`` (pre).

    Post is the paper's, pre that of tensor2tensor since its second version.
    """

    def __init__(self, setting: LayerSetting) -> None:
        super().__init__()
        self.first = is_pre(setting)
        self.norm = nn.LayerNorm(setting.dim, device=setting.device, dtype=setting.dtype)
        self.dropout = nn.Dropout(check_share(setting.dropout))

    def forward(self, x: Tensor, branch: Callable[[Tensor], Tensor]) -> Tensor:
        """Tokens ``[B, N, D]`` → the same."""
        if self.first:
            return x + self.dropout(branch(self.norm(x)))
        return self.norm(x + self.dropout(branch(x)))


class FeedForward(nn.Sequential):
    """Two linear layers with an activation: ``W2 act(W1 x + b1) + b2``."""

    def __init__(self, setting: LayerSetting) -> None:
        if setting.activation not in _ACTIVATIONS:
            raise RegardError(
                f"activation is {setting.activation!r}; it can be {' or '.join(_ACTIVATIONS)}"
            )
        place: dict[str, Any] = {"device": setting.device, "dtype": setting.dtype}
        hidden = check_count(setting.hidden, "hidden")
        first = nn.Linear(setting.dim, hidden, **place)
        last = nn.Linear(hidden, setting.dim, **place)
        for layer in (first, last):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        super().__init__(first, _ACTIVATIONS[setting.activation](), last)


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward network (Vaswani et al., arXiv:1706.03762, figure 1)."""

    def __init__(self, setting: LayerSetting) -> None:
        super().__init__()
        self.attention = self_attention(setting)
        self.around_attention = Residual(setting)
        self.feedforward = FeedForward(setting)
        self.around_feedforward = Residual(setting)

    def forward(self, x: Tensor, mask: Tensor | None, given: dict[str, Any]) -> Tensor:
        """Tokens ``[B, N, D]`` → the same; ``given`` is what the positions give attention."""
        x = self.around_attention(x, lambda y: self.attention(y, mask=mask, **given))
        return self.around_feedforward(x, self.feedforward)


class Inputs:
    """What a layer's attention was given until now, for one that keeps no keys and values."""

    def __init__(self) -> None:
        self.kept: Tensor | None = None

    def extend(self, x: Tensor) -> Tensor:
        """All of it, with the new ``x [B, N, D]`` at the end."""
        self.kept = x if self.kept is None else torch.cat([self.kept, x], 1)
        return self.kept

    def select(self, rows: Tensor) -> Inputs:
        """The given samples, in the order given."""
        other = Inputs()
        other.kept = None if self.kept is None else self.kept.index_select(0, rows)
        return other


@dataclass(frozen=True, slots=True)
class LayerPast:
    """What a layer of a decoder keeps from step to step."""

    own: Past | Inputs
    source: Past | None

    def select(self, rows: Tensor) -> LayerPast:
        """The given samples, in the order given."""
        source = None if self.source is None else self.source.select(rows)
        return LayerPast(self.own.select(rows), source)


class DecoderLayer(nn.Module):
    """Causal self-attention, attention over the source, and a feed-forward network.

    Args:
        setting: of the layer.
        cross: name of the attention over the source.
    """

    def __init__(self, setting: LayerSetting, cross: str = "multihead") -> None:
        super().__init__()
        self.attention = self_attention(setting, causal=True)
        self.around_attention = Residual(setting)
        self.cross = cross_attention(cross, setting)
        self.around_cross = Residual(setting)
        self.feedforward = FeedForward(setting)
        self.around_feedforward = Residual(setting)

    def begin(self) -> LayerPast:
        """An empty past."""
        own = Past() if steps(self.attention) else Inputs()
        return LayerPast(own, Past(fixed=True) if steps(self.cross) else None)

    def forward(
        self,
        x: Tensor,
        source: Tensor,
        mask: Tensor | None,
        given: dict[str, Any],
        past: LayerPast | None = None,
    ) -> Tensor:
        """Tokens ``[B, T, D]`` over a source ``[B, S, D]`` → ``[B, T, D]``.

        ``mask [B, S]`` is True where the source is real. With a past these are the next tokens.
        """
        own, kept = (None, None) if past is None else (past.own, past.source)
        x = self.around_attention(x, lambda y: self._earlier(y, own, given))
        options: dict[str, Any] = {} if kept is None else {"past": kept}
        x = self.around_cross(x, lambda y: self.cross(y, source, mask=mask, **options))
        return self.around_feedforward(x, self.feedforward)

    def _earlier(self, x: Tensor, past: Past | Inputs | None, given: dict[str, Any]) -> Tensor:
        """Attention of tokens over themselves and earlier ones."""
        if past is None:
            return self.attention(x, causal=True, **given)
        if isinstance(past, Inputs):
            return self.attention(past.extend(x), causal=True, **given)[:, -x.shape[1] :]
        return self.attention(x, causal=x.shape[1] > 1, past=past, **given)


def is_pre(setting: LayerSetting) -> bool:
    """Whether norms stand first in their branches."""
    if setting.norm not in ("post", "pre"):
        raise RegardError(f"norm is {setting.norm!r}; it can be 'post' or 'pre'")
    return setting.norm == "pre"
