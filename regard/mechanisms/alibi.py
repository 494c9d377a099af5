r"""ALiBi: a key counts less the further away it is, each head by a slope of its own.

.. math:: e_{ij} = \frac{q_i \cdot k_j}{\sqrt d} - m_h\,|i - j|, \qquad m_h = 2^{-8h/H}

Shapes: queries and by default as many keys, ``[B, H, N, d]``, for their numbers alone → logits
``[H, Nq, Nk]`` for ``attend(query, key, value, bias=…)``; the queries are the last of the keys.
Cost: no parameters, H·Nq·Nk additions. Extrapolates to longer texts than those of training.

For H that is no power of two, the slopes are those of the next lower power and then every second
of those of the next higher one, as in the official code.

Paper and code differ by what a softmax does not see. ``paper`` (default): -m(i - j), of the
distance alone; for later keys, which the paper's causal attention never sees, the same by distance.
``official``: the code's m·j, the same plus a number for each row, for causal attention only;
without a causal mask it would favour the last keys.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

from ..cards import Card
from ..ops import expect
from ._gate import check_size, check_variant
from ._places import distances

VARIANTS = ("paper", "official")


class ALiBi(nn.Module):
    """Attention with linear biases (Press et al., arXiv:2108.12409, section 3).

    Args:
        heads: H, number of heads.
        variant: ``paper`` or ``official``, see the top of the file.
        device, dtype: taken as everywhere; there is nothing to place.
    """

    def __init__(
        self,
        heads: int,
        *,
        variant: str = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.heads = check_size(heads, "heads")
        self.official = check_variant(variant, VARIANTS) == "official"
        self.slopes = slopes(heads)

    def forward(self, query: Tensor, key: Tensor | None = None) -> Tensor:
        """The bias ``[H, Nq, Nk]`` for queries and keys ``[B, H, N, d]``."""
        query = expect(query, 1, self.heads, "alibi", axes=4)
        apart = distances(query, key)
        steps = apart - apart[:, :1] if self.official else -apart.abs()
        return sloped(query, steps, self.slopes)

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"{self.heads}"


def slopes(heads: int) -> tuple[float, ...]:
    """The slope of each head, the steepest first."""
    lower: int = 2 ** int(math.log2(heads))
    first = [2.0 ** (-8 * (i + 1) / lower) for i in range(lower)]
    finer = [2.0 ** (-4 * (i + 1) / lower) for i in range(0, 2 * lower, 2)]
    return tuple(first + finer[: heads - lower])


def sloped(query: Tensor, steps: Tensor, slope: tuple[float, ...]) -> Tensor:
    """Steps ``[Nq, Nk]`` times the slope of each head, in the dtype of the queries."""
    if has_torch_function((query, steps)):
        return handle_torch_function(sloped, (query, steps), query, steps, slope)
    exact = torch.float64 if query.dtype == torch.float64 else torch.float32
    each = torch.tensor(slope, dtype=exact, device=query.device).view(-1, 1, 1)
    return (each * steps).to(query.dtype)


CARD = Card(
    name="alibi",
    title="Attention with linear biases",
    module=ALiBi,
    takes="position",
    position="bias",
    family=("tokens",),
    start="none",
    paper="arXiv:2108.12409",
    year=2022,
    authors="Ofir Press, Noah A. Smith, Mike Lewis",
    bibtex="""@inproceedings{press2022train,
  title     = {Train Short, Test Long: Attention with Linear Biases Enables Input Length
               Extrapolation},
  author    = {Press, Ofir and Smith, Noah A. and Lewis, Mike},
  booktitle = {ICLR},
  year      = {2022}
}""",
    code="https://github.com/ofirpress/attention_with_linear_biases",
    code_licence="MIT",
    aliases=("linear_biases",),
    variants=VARIANTS,
    parameters="0",
    complexity="O(h·Nq·Nk) additions and as much memory for the bias",
    place="stage",
)
