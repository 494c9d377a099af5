r"""Deformable attention: a query looks at a few points, and says itself where they are.

.. math::
   y_q &= W_o \Big[\sum_{l,p} a_{qhlp}\; (W_v x_l)_h\big(r_q + \Delta_{qhlp}\big)\Big]_h \\
   \Delta_q &= W_\Delta z_q + b_\Delta, \qquad a_q = \mathrm{softmax}_{l,p}(W_a z_q + b_a)

Δ are offsets in pixels from the query's reference point, P a head and level; values between pixels
are bilinear, zero outside the map. No query is compared with a key, so the cost is linear.

Shapes: a map ``[B, C, H, W]`` → the same: its pixels are the queries, each with its own place as
reference. With ``reference``, ``source`` and ``shapes``: queries ``[B, Nq, C]`` over the pixels of
several maps. Cost: 2C² + 2C + 3hLP(C + 1) parameters, 2C²N + 3hLPCN + 5LPCN multiplications.

As in the official code Δ starts at a ring, head i looking in the direction 2πi/h and point p at the
distance p, and a at 1/(LP) everywhere. Coordinates are those of ``align_corners=False``: 0 and 1
are the borders of the map. The official kernel is CUDA only; ours is plain PyTorch, with a backward
that is deterministic. Start: ``identity`` adds the input, with a zero output projection.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import expect
from ..ops.warping import sample
from ._gate import StartOption, adds_input, check_size, check_start, zero
from .multihead import check_heads

Shapes = Sequence[tuple[int, int]]


class DeformableAttention(nn.Module):
    """Multi-scale deformable attention (Zhu et al., arXiv:2010.04159, eq. 2 and 3).

    Args:
        channels: C of the map and of the queries.
        heads: h; C must be divisible by it.
        points: P, points of a head on a map.
        levels: L, number of maps that a query looks at; one where forward gets a map alone.
        residual: add the queries to the result; by default only at an identity start.
        start: ``paper``, or ``identity``: a zero output projection, and the queries added.
    """

    def __init__(
        self,
        channels: int,
        heads: int = 8,
        points: int = 4,
        *,
        levels: int = 1,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.heads = check_size(channels, "channels"), check_heads(channels, heads)
        self.points, self.levels = check_size(points, "points"), check_size(levels, "levels")
        self.residual = adds_input(check_start(start), residual)
        count = heads * levels * points
        self.offsets = nn.Linear(channels, 2 * count, device=device, dtype=dtype)
        self.weights = nn.Linear(channels, count, device=device, dtype=dtype)
        self.value = nn.Linear(channels, channels, device=device, dtype=dtype)
        self.output = nn.Linear(channels, channels, device=device, dtype=dtype)
        zero(self.offsets, self.weights)
        for layer in (self.value, self.output):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            ring = torch.tensor([_direction(i / heads) for i in range(heads)])[:, None, None]
            far = torch.arange(1, points + 1)[:, None]
            around = (ring * far).expand(-1, levels, -1, -1).flatten()
            self.offsets.bias.copy_(around)
        if start == "identity":
            zero(self.output)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        *,
        reference: Tensor | None = None,
        source: Tensor | None = None,
        shapes: Shapes | None = None,
    ) -> Tensor:
        """A map attending over itself, or queries over the pixels of several maps.

        Args:
            x: a map ``[B, C, H, W]``; or queries ``[B, Nq, C]``, with the other arguments.
            mask: boolean, True = a real pixel: ``[B, H, W]``, or ``[B, N]`` for a source.
            reference: points ``[B, Nq, L, 2]`` as (x, y), 0 to 1 between the borders of a map; or
                boxes ``[B, Nq, L, 4]`` as (x, y, width, height), whose size scales the offsets.
            source: pixels of all maps in a row, ``[B, N, C]``; shapes: height and width of each.

        Returns:
            The shape of ``x``.
        """
        if reference is not None and source is not None and shapes is not None:
            out = self._over(
                expect(x, -1, self.channels, "deformable"), reference, source, shapes, mask
            )
            return x + out if self.residual else out
        if reference is not None or source is not None or shapes is not None or self.levels > 1:
            raise RegardError(
                f"deformable attention with {self.levels} levels takes a map alone, if it has one "
                f"level, or queries with reference=, source= and shapes=, all three"
            )
        x = expect(x, 1, self.channels, "deformable", axes=4)
        tokens = x.permute(0, 2, 3, 1)
        value = self._values(tokens, mask).permute(0, 3, 1, 2)
        # In float32 also for half precision, which has no digits left for shares of a pixel.
        column = torch.arange(x.shape[3], device=x.device, dtype=torch.float32)
        row = torch.arange(x.shape[2], device=x.device, dtype=torch.float32)[:, None]
        here = torch.stack(torch.broadcast_tensors(column, row), -1).flatten(0, 1)
        delta, weights = self._chosen(tokens.flatten(1, 2))
        attended = self._level(value, here[:, None, None] + delta[:, :, :, 0], weights[:, :, :, 0])
        y = self.output(attended).unflatten(1, (x.shape[2], x.shape[3])).permute(0, 3, 1, 2)
        return x + y if self.residual else y

    def _over(
        self, query: Tensor, reference: Tensor, source: Tensor, shapes: Shapes, mask: Tensor | None
    ) -> Tensor:
        """Attention of queries over several maps."""
        sizes = check_shapes(shapes, self.levels, source, reference)
        source = expect(source, -1, self.channels, "deformable (source)")
        delta, weights = self._chosen(query)
        out = torch.zeros((), device=query.device, dtype=query.dtype)
        maps = self._values(source, mask).split(sizes, 1)
        for level, (value, (height, width)) in enumerate(zip(maps, shapes, strict=True)):
            point = reference[:, :, None, None, level]
            step = delta[:, :, :, level]
            if reference.shape[-1] == 4:
                step = step * _in_pixels(point[..., 2:], width, height) * (0.5 / self.points)
            place = _in_pixels(point[..., :2], width, height) - 0.5
            field = value.transpose(1, 2).unflatten(2, (height, width))
            out = out + self._level(field, place + step, weights[:, :, :, level])
        made: Tensor = self.output(out)
        return made

    def _chosen(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """Offsets ``[B, Nq, h, L, P, 2]`` and their weights ``[B, Nq, h, L, P]``."""
        form = (self.heads, self.levels, self.points)
        weights = self.weights(query).unflatten(2, (self.heads, -1)).softmax(-1)
        return self.offsets(query).unflatten(2, (*form, 2)), weights.flatten(2).unflatten(2, form)

    def _values(self, pixels: Tensor, mask: Tensor | None) -> Tensor:
        """Projected pixels, zero where there is padding."""
        made: Tensor = self.value(pixels)
        if mask is None:
            return made
        if mask.dtype != torch.bool or mask.shape != pixels.shape[:-1]:
            raise RegardError(
                f"deformable attention takes a boolean mask {list(pixels.shape[:-1])}, True = a "
                f"real pixel; got {mask.dtype} {list(mask.shape)}"
            )
        return made.masked_fill(~mask.unsqueeze(-1), 0.0)

    def _level(self, value: Tensor, place: Tensor, weights: Tensor) -> Tensor:
        """One map ``[B, C, H, W]`` at places ``[B, Nq, h, P, 2]``, weighed: ``[B, Nq, C]``."""
        heads = value.unflatten(1, (self.heads, -1)).flatten(0, 1)
        column, row = place.permute(4, 0, 2, 1, 3).flatten(1, 2).unbind(0)
        seen = sample(heads, column, row)  # [B·h, C / h, Nq, P]
        shares = weights.transpose(1, 2).flatten(0, 1).unsqueeze(1)
        return (seen * shares).sum(-1).unflatten(0, (-1, self.heads)).flatten(1, 2).transpose(1, 2)


def _in_pixels(share: Tensor, width: int, height: int) -> Tensor:
    """Shares ``[..., 2]`` of a width and a height, in pixels."""
    return torch.stack((share[..., 0] * width, share[..., 1] * height), -1)


def _direction(turn: float) -> tuple[float, float]:
    """A step at an angle, the longer of its two parts being one."""
    x, y = math.cos(2 * math.pi * turn), math.sin(2 * math.pi * turn)
    longer = max(abs(x), abs(y))
    return x / longer, y / longer


def check_shapes(shapes: Shapes, levels: int, source: Tensor, reference: Tensor) -> list[int]:
    """Numbers of pixels of the maps, if they fit the levels, the source and the reference."""
    sizes = [height * width for height, width in shapes]
    fits = len(sizes) == levels and sum(sizes) == source.shape[1]
    forms = ((levels, 2), (levels, 4))
    if not fits or reference.dim() != 4 or tuple(reference.shape[2:]) not in forms:
        raise RegardError(
            f"deformable attention of {levels} levels takes as many shapes, a source of all their "
            f"pixels and a reference [B, Nq, {levels}, 2 or 4]; got shapes {list(shapes)}, a "
            f"source {list(source.shape)} and a reference {list(reference.shape)}"
        )
    return sizes


CARD = Card(
    name="deformable",
    title="Deformable attention",
    module=DeformableAttention,
    takes="map",
    family=("spatial",),
    start="residual",
    paper="arXiv:2010.04159",
    year=2021,
    authors="Xizhou Zhu, Weijie Su, Lewei Lu, Bin Li, Xiaogang Wang, Jifeng Dai",
    bibtex="""@inproceedings{zhu2021deformable,
  title     = {Deformable {DETR}: Deformable {Transformers} for End-to-End Object Detection},
  author    = {Zhu, Xizhou and Su, Weijie and Lu, Lewei and Li, Bin and Wang, Xiaogang
               and Dai, Jifeng},
  booktitle = {ICLR},
  year      = {2021}
}""",
    code="https://github.com/fundamentalvision/Deformable-DETR",
    code_licence="Apache-2.0",
    aliases=("deformable_attention", "ms_deform_attn", "msda"),
    variants=("official",),
    parameters="2*C**2 + 2*C + 3*heads*levels*points*(C + 1)",
    complexity="O(HW·C² + h·P·HW·C) multiplications",
    place="stage",
    slow={"offsets": 0.1},
    options={"heads": 4, "points": 2},
)
