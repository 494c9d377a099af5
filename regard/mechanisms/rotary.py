r"""Rotary positions: turn queries and keys by angles that grow with the place.

.. math::
   \begin{pmatrix} y_{2i} \\ y_{2i+1} \end{pmatrix} =
   \begin{pmatrix} \cos p\theta_i & -\sin p\theta_i \\ \sin p\theta_i & \cos p\theta_i \end{pmatrix}
   \begin{pmatrix} x_{2i} \\ x_{2i+1} \end{pmatrix}, \qquad \theta_i = 10000^{-2i/d}

The product of a query at m and a key at n then depends on m - n alone, and no length changes.

Shapes: queries, or keys, ``[B, h, N, d]`` or ``[B, N, d]`` → the same. Cost: no parameters, 2·N·d
multiplications a head. Use: ``attend(turn(query), turn(key), value)``.

Pairs are neighbours, as in the paper, RoFormer and Llama. ``halves=True`` pairs feature i with
i + d/2, as GPT-NeoX and transformers do: the same up to an order of the features, but the weights
of one do not serve the other.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import expect
from ._gate import check_size
from ._places import angles
from .sinusoidal import check_base


class Rotary(nn.Module):
    """Rotary position embedding (Su et al., arXiv:2104.09864, eq. 15 and 34).

    Args:
        dim: d, width of a head; even.
        base: of the angles.
        halves: pair feature i with i + d/2 instead of neighbours.
        device, dtype: taken as everywhere; there is nothing to place.
    """

    def __init__(
        self,
        dim: int,
        *,
        base: float = 10000.0,
        halves: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.dim, self.base, self.halves = check_size(dim, "dim"), check_base(base), halves
        if dim % 2:
            raise RegardError(f"dim is {dim}; rotary turns pairs and needs an even width of a head")

    def forward(self, x: Tensor, offset: int = 0) -> Tensor:
        """``x [B, h, N, d]`` or ``[B, N, d]``, turned as at the places from ``offset`` on."""
        x = expect(x, -1, self.dim, "rotary")
        angle = angles(x, self.dim // 2, self.dim / 2, self.base, offset, power=True)
        cos, sin = angle.cos(), angle.sin()  # at least float32, and so are the products
        if self.halves:
            a, b = x.unflatten(-1, (2, -1)).unbind(-2)
        else:
            a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
        turned = a * cos - b * sin, b * cos + a * sin
        return torch.stack(turned, -2 if self.halves else -1).flatten(-2).to(x.dtype)

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"{self.dim}, base={self.base:g}, halves={self.halves}"


CARD = Card(
    name="rotary",
    title="Rotary position embedding",
    module=Rotary,
    takes="position",
    position="rotate",
    family=("tokens",),
    start="none",
    paper="arXiv:2104.09864",
    year=2021,
    authors="Jianlin Su, Yu Lu, Shengfeng Pan, Ahmed Murtadha, Bo Wen, Yunfeng Liu",
    bibtex="""@article{su2021roformer,
  title   = {{RoFormer}: Enhanced Transformer with Rotary Position Embedding},
  author  = {Su, Jianlin and Lu, Yu and Pan, Shengfeng and Murtadha, Ahmed and Wen, Bo and
             Liu, Yunfeng},
  journal = {arXiv:2104.09864},
  year    = {2021}
}""",
    code="https://github.com/ZhuiyiTechnology/roformer",
    aliases=("rope", "roformer"),
    variants=("official",),
    parameters="0",
    complexity="O(N·d) multiplications a head, no memory beside queries and keys",
    place="stage",
)
