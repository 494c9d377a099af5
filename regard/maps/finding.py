"""Map: one thing that a model attended with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor

from ..ops.warping import sampling_points
from .places import Places

Kind = Literal["weights", "gate", "shares", "theta", "points", "sampled"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_FORMS: dict[Kind, str] = {
    "weights": "query-key weights",
    "shares": "branch weights",
    "theta": "theta",
    "points": "sampling points",
    "sampled": "warped output",
}


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """One thing a model attended with.

    Args:
        site: the module it was made in, by its name in the model.
        kind: one of

            - ``weights``: of queries over keys, ``[B, Nq, Nk]`` or ``[B, h, Nq, Nk]``, before
              dropout;
            - ``gate``: a factor on a map, ``[B, C, 1, 1]`` over channels, ``[B, 1, H, W]`` over
              space, ``[B, C, H, 1]`` and ``[B, C, 1, W]`` along one coordinate, …;
            - ``shares``: a softmax that weighs things side by side, such as the branches of a
              selective kernel ``[B, M, C, …]`` or the points that deformable attention samples;
            - ``theta``: the affine map of a warp, ``[B, 2, 3]``;
            - ``points``: where a warp or a deformable operation samples, ``[…, 2]``, column and
              row in pixels of its input: the grid;
            - ``sampled``: what it found there, such as the warped output.
        values: a copy on the CPU, in float32 or float64.
        frame: height and width of the sampled map, for ``theta`` and ``points``.
        call: the how-manyeth map of this kind at this site, from 0.
        pooled: queries a row and keys a column of ``weights``: above 1 where a long sequence was
            summarised (see :class:`Keep`).
        places: of ``weights`` over a picture, where on it their queries and keys lie, as far as
            that could be followed; see :class:`Places`.
        gradients: of the weights, as one tensor of the shape of ``values``, filled by a backward.
    """

    site: str
    kind: Kind
    values: Tensor
    frame: tuple[int, int] | None = None
    call: int = 0
    pooled: tuple[int, int] = (1, 1)
    places: Places | None = None
    gradients: list[Tensor] = field(default_factory=list, repr=False)

    @property
    def form(self) -> str:
        """The kind in words; of a gate, over what: channels, space, one coordinate, or all."""
        return _FORMS.get(self.kind) or f"{_OVER[self.over]}gate"

    @property
    def over(self) -> str:
        """What a gate differs over: ``channels``, ``space``, ``height``, ``width``, ``all``, …"""
        if self.kind != "gate":
            return ""
        shape = tuple(self.values.shape[1:])
        channels, space = shape[0] > 1, [n > 1 for n in shape[1:]]
        if not any(space):
            return "channels"
        if len(space) > 1 and sum(space) == 1 and channels:
            return "width" if space[-1] else "height"
        return "all" if channels else "space"

    @property
    def gradient(self) -> Tensor | None:
        """Of the weights, where a backward has passed: the sum over all backwards."""
        return sum(self.gradients[1:], self.gradients[0]) if self.gradients else None

    @property
    def bytes(self) -> int:
        """What the values take."""
        return self.values.numel() * self.values.element_size()


_OVER = {
    "channels": "channel ",
    "space": "spatial ",
    "height": "coordinate ",
    "width": "coordinate ",
    "all": "",
}


def coverage(theta: Tensor, frame: tuple[int, int]) -> tuple[float, float]:
    """What a warp looks at: share of the frame's area it spans, and share of samples inside.

    Args:
        theta: ``[B, 2, 3]``.
        frame: height and width of the map.

    Returns:
        Means over the batch. A span near zero, or few samples inside, is a localiser that has
        collapsed.
    """
    area = torch.linalg.det(theta[:, :, :2].float()).abs().mean()
    column, row = sampling_points(theta, frame)
    inside = (column >= 0) & (column <= frame[1] - 1) & (row >= 0) & (row <= frame[0] - 1)
    return float(area), float(inside.float().mean())
