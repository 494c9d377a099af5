r"""Learned positions: add a vector of its own to each place.

.. math:: y_p = x_p + w_p

Shapes: ``[B, N, D]`` with N up to the length of the table → the same. Cost: length · D parameters,
N·D additions. A place beyond the table is an error: it has no vector.

The start is that of the authors' code (fairseq), N(0, 0.1²); BERT and ViT take 0.02.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

from ..cards import Card
from ..errors import RegardError
from ..ops import expect
from ._gate import check_size


class LearnedPositions(nn.Module):
    """Learned positional embedding (Gehring et al., arXiv:1705.03122, section 3.1).

    Args:
        dim: D, width of the tokens.
        length: number of places that have a vector.
        std: spread of the vectors at the start.
    """

    def __init__(
        self,
        dim: int,
        length: int = 512,
        *,
        std: float = 0.1,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.dim, self.length = check_size(dim, "dim"), check_size(length, "length")
        self.weight = nn.Parameter(torch.empty(length, dim, device=device, dtype=dtype))
        nn.init.normal_(self.weight, std=std)

    def forward(self, x: Tensor, offset: int = 0) -> Tensor:
        """``x [B, N, D]`` plus the vectors of the places from ``offset`` on."""
        x = expect(x, -1, self.dim, "learned", axes=3)
        return x + rows(self.weight, x, offset).to(x.dtype)

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"{self.dim}, length={self.length}"


def rows(table: Tensor, x: Tensor, offset: int = 0) -> Tensor:
    """The rows of a table ``[length, D]`` for the places of ``x [B, N, D]``."""
    if has_torch_function((table, x)):
        return handle_torch_function(rows, (table, x), table, x, offset)
    last = offset + x.shape[1]
    if offset < 0 or last > table.shape[0]:
        raise RegardError(
            f"learned has vectors for {table.shape[0]} places, 0 to {table.shape[0] - 1}; "
            f"{x.shape[1]} tokens from place {offset} need up to {last - 1}: build it with "
            f"length={last} or more"
        )
    return table[offset:last]


CARD = Card(
    name="learned",
    title="Learned positional embedding",
    module=LearnedPositions,
    takes="position",
    position="add",
    family=("tokens",),
    start="none",
    paper="arXiv:1705.03122",
    year=2017,
    authors="Jonas Gehring, Michael Auli, David Grangier, Denis Yarats, Yann N. Dauphin",
    bibtex="""@inproceedings{gehring2017convolutional,
  title     = {Convolutional Sequence to Sequence Learning},
  author    = {Gehring, Jonas and Auli, Michael and Grangier, David and Yarats, Denis and
               Dauphin, Yann N.},
  booktitle = {ICML},
  year      = {2017}
}""",
    code="https://github.com/facebookresearch/fairseq",
    code_licence="MIT",
    aliases=("learned_positions", "position_embedding"),
    variants=("official",),
    parameters="length*C",
    complexity="O(N·D) additions, length · D memory",
    place="input",
)
