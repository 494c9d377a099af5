"""One vector of a sequence: its mean, its maximum, or a mean that attention weighs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ...mechanisms._heads import masked_softmax
from .tokens import check_count


class AttentionPooling(nn.Module):
    r"""A mean weighed by additive attention (Yang et al. 2016, HAN, eq. 5 to 7).

    .. math:: u_t = \tanh(W h_t + b), \quad \alpha = \mathrm{softmax}(u_t \cdot u_w), \quad
              s = \sum_t \alpha_t h_t

    It is additive attention with one query, whose product is b.

    Args:
        dim: D, width of the tokens.
        hidden: width of u, by default D.
    """

    def __init__(
        self,
        dim: int,
        hidden: int | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        hidden = check_count(dim if hidden is None else hidden, "hidden")
        self.hidden = nn.Linear(dim, hidden, device=device, dtype=dtype)
        self.energy = nn.Linear(hidden, 1, bias=False, device=device, dtype=dtype)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Tokens ``[B, N, D]``, ``mask [B, N]`` True = real → ``[B, D]``."""
        return (self.weights(x, mask).unsqueeze(1) @ x).squeeze(1)

    def weights(self, x: Tensor, mask: Tensor) -> Tensor:
        """The weights ``[B, N]``, which sum to one, or to zero where nothing is real."""
        return masked_softmax(self.energy(torch.tanh(self.hidden(x))).squeeze(-1), mask)


def mean(x: Tensor, mask: Tensor) -> Tensor:
    """The mean of the real tokens ``[B, N, D]`` → ``[B, D]``; zeros where nothing is real."""
    total = x.masked_fill(~mask.unsqueeze(-1), 0.0).sum(1)
    return total / mask.sum(1, keepdim=True).clamp(min=1)


def greatest(x: Tensor, mask: Tensor) -> Tensor:
    """The greatest number of each feature among the real tokens; zeros where nothing is real."""
    hidden = x.masked_fill(~mask.unsqueeze(-1), torch.finfo(x.dtype).min).amax(1)
    return hidden.masked_fill(~mask.any(1, keepdim=True), 0.0)


POOLINGS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mean": mean, "max": greatest}
