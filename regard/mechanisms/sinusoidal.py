r"""Sinusoidal positions: add waves of falling frequency, so that each place has its own pattern.

.. math:: y_{p} = x_p + c_p, \qquad
   c_{p,2i} = \sin(p / 10000^{2i/D}), \quad c_{p,2i+1} = \cos(p / 10000^{2i/D})

The code of place p + k is a rotation of that of p, the same for every p.

Shapes: ``[B, N, D]`` → the same. Cost: no parameters, N·D sines.

Paper and code differ. ``official`` (default), tensor2tensor: the frequencies reach exactly
1 / 10000 (exponent i / (D/2 - 1)), all sines stand before all cosines, and an odd D ends in a zero.
``paper``: as above, sines and cosines interleaved; an odd D ends in a sine. The Transformer
multiplies the embedding by √D before; that is the host's.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import RegardError
from ..ops import expect
from ._gate import check_size, check_variant
from ._places import angles
from .scaled_dot import CARD as SCALED_DOT

VARIANTS = ("official", "paper")


class Sinusoidal(nn.Module):
    """Sinusoidal positional encoding (Vaswani et al., arXiv:1706.03762, section 3.5).

    Args:
        dim: D, width of the tokens.
        base: the longest wave is 2π · base.
        variant: ``official`` or ``paper``, see the top of the file.
        device, dtype: taken as everywhere; there is nothing to place.
    """

    def __init__(
        self,
        dim: int,
        *,
        base: float = 10000.0,
        variant: str = "official",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.dim, self.base = check_size(dim, "dim"), check_base(base)
        self.official = check_variant(variant, VARIANTS) == "official"

    def forward(self, x: Tensor, offset: int = 0) -> Tensor:
        """``x [B, N, D]`` plus the code of the places from ``offset`` on."""
        x = expect(x, -1, self.dim, "sinusoidal", axes=3)
        return x + self.code(x, offset).to(x.dtype)

    def code(self, x: Tensor, offset: int = 0) -> Tensor:
        """The code ``[N, D]`` for as many places as ``x`` has, at least in float32."""
        half = self.dim // 2
        if self.official:
            angle = angles(x, half, max(half - 1, 1), self.base, offset)
            return F.pad(torch.cat([angle.sin(), angle.cos()], 1), (0, self.dim % 2))
        angle = angles(x, (self.dim + 1) // 2, self.dim / 2, self.base, offset)
        return torch.stack([angle.sin(), angle.cos()], 2).flatten(1)[:, : self.dim]

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"{self.dim}, base={self.base:g}"


def check_base(base: float) -> float:
    """A base of frequencies that fall."""
    if not base > 1:
        raise RegardError(f"base is {base!r}; it must be above 1, such as 10000")
    return base


CARD = replace(
    SCALED_DOT,
    name="sinusoidal",
    title="Sinusoidal positional encoding",
    module=Sinusoidal,
    takes="position",
    position="add",
    aliases=("sinusoid", "sincos", "positional_encoding"),
    variants=VARIANTS,
    parameters="0",
    complexity="O(N·D) sines, no multiplication of activations",
    place="input",
)
