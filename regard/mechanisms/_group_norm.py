"""Group normalisation of any size: one value a group is normalised to the bias, not refused."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import RegardError


class GroupNorm(nn.GroupNorm):
    """As :class:`torch.nn.GroupNorm`, which raises where a map of one pixel leaves one value."""

    def __init__(
        self,
        groups: int,
        channels: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(groups, channels, device=device, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]``, each group of channels with mean zero and variance one."""
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


def check_divides(channels: int, parts: int, what: str) -> int:
    """``parts`` itself, if so many equal groups can be made of the channels."""
    if channels % parts:
        works = ", ".join(str(n) for n in range(1, min(channels, 64) + 1) if channels % n == 0)
        raise RegardError(f"{parts} {what} do not divide {channels} channels; these do: {works}")
    return parts
