r"""Halo attention: blocks of queries, each over its block and a band of pixels around it.

.. math::
   y_i = \sum_{j \in \mathrm{halo}(i)} \mathrm{softmax}_j\Bigl(\tfrac{q_i}{\sqrt{d}} \cdot
         (k_j + r^h_{row(j) - row(i)} + r^w_{col(j) - col(i)})\Bigr)\, v_j

The map is cut into blocks of b×b queries; a block's keys are the (b + 2h)² pixels with h more on
every side, shared by all its queries. A compromise between windows that slide and windows that do
not see each other.

Shapes: ``[B, C, H, W]`` → the same. Cost: 3C² + 2(2b + 2h − 1)C/n parameters with n heads, about
(3C² + 2C(b + 2h)²)·HW multiplications a sample.

There is no official code. No biases and no output projection, as in the paper's bottleneck; both
terms are scaled, as in the same authors' Bottleneck Transformer. A map that blocks do not divide is
filled up, and what lies outside the map is no key: nobody attends to it. Ports differ here: one
masks the map instead of the padding, others let zeros be keys. Their tables have 2(b + 2h) − 1
entries, of which no pair needs the first h + h. The identity start adds the input and sets W_v to
zero.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import attend, expect
from ._core import owned
from ._gate import StartOption, adds_input, check_size, check_start, zero
from ._relative import offsets, relative_logits
from .multihead import check_heads


class HaloAttention(nn.Module):
    """Blocked local self-attention of HaloNet (Vaswani et al., arXiv:2103.12731, section 3).

    Args:
        channels: C of the map.
        heads: n.
        block: b, side of a block of queries.
        halo: h, pixels around a block that it sees as well.
        residual: add the input to the result; by default only at an identity start.
        start: ``paper``, or ``identity``: W_v zero, the input added.
    """

    def __init__(
        self,
        channels: int,
        heads: int = 8,
        block: int = 8,
        halo: int = 3,
        *,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.heads = check_size(channels, "channels"), check_heads(channels, heads)
        if type(halo) is not int or halo < 0:
            raise RegardError(f"halo is {halo!r}; it must be a whole number of at least 0")
        self.block, self.halo = check_size(block, "block"), halo
        head = channels // heads
        self.query, self.key, self.value = (
            nn.Conv2d(channels, channels, 1, bias=False, device=device, dtype=dtype)
            for _ in range(3)
        )
        self.rows, self.columns = (
            nn.Parameter(torch.empty(2 * (block + halo) - 1, head, device=device, dtype=dtype))
            for _ in range(2)
        )
        for table in (self.rows, self.columns):
            nn.init.normal_(table, std=head**-0.5)
        self.residual = adds_input(start, residual)
        if check_start(start) == "identity":
            zero(self.value)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]`` → what each pixel gathers around its block, of the same shape."""
        x = expect(x, 1, self.channels, "halo", axes=4)
        query = self._blocks(self.query(x))
        key, value = (self._heads(self._windows(layer(x))) for layer in (self.key, self.value))
        inside = self._windows(x.new_ones(1, 1, x.shape[2], x.shape[3])) > 0
        mask = inside.expand(x.shape[0], -1, -1, -1, -1, -1).flatten(3).flatten(0, 2)
        bias = self.positions(query)
        gathered = attend(query.flatten(2, 3), key, value, mask=mask, bias=bias)
        out = self._joined(gathered, x)
        return x + out if self.residual else owned(out)

    def positions(self, query: Tensor) -> Tensor:
        """Logits of the positions for blocks ``[B', n, b, b, d]``: ``[B', n, b², (b + 2h)²]``."""
        scaled = query * (self.channels // self.heads) ** -0.5
        window = self.block + 2 * self.halo
        rows, columns = (
            offsets(table, self.block, window, self.halo) for table in (self.rows, self.columns)
        )
        return relative_logits(scaled, rows, columns)

    def _blocks(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]``, filled up, as blocks ``[B·blocks, n, b, b, d]``."""
        size = self.block
        x = F.pad(x, [0, -x.shape[3] % size, 0, -x.shape[2] % size])
        cut = x.unflatten(3, (-1, size)).unflatten(2, (-1, size)).unflatten(1, (self.heads, -1))
        return cut.permute(0, 3, 5, 1, 4, 6, 2).flatten(0, 2)

    def _windows(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]``, zero outside, as windows ``[B, rows, columns, C, b + 2h, b + 2h]``."""
        size, halo = self.block, self.halo
        right, below = -x.shape[3] % size + halo, -x.shape[2] % size + halo
        x = F.pad(x, [halo, right, halo, below])
        window = size + 2 * halo
        return x.unfold(2, window, size).unfold(3, window, size).permute(0, 2, 3, 1, 4, 5)

    def _heads(self, windows: Tensor) -> Tensor:
        """Windows as tokens of heads, ``[B·blocks, n, (b + 2h)², d]``."""
        split = windows.flatten(4).unflatten(3, (self.heads, -1))
        return split.transpose(4, 5).flatten(0, 2).contiguous()

    def _joined(self, tokens: Tensor, like: Tensor) -> Tensor:
        """Tokens of blocks ``[B·blocks, n, b², d]`` as a map shaped like ``like``."""
        size = self.block
        right, below = -like.shape[3] % size, -like.shape[2] % size
        rows, columns = (like.shape[2] + below) // size, (like.shape[3] + right) // size
        cut = tokens.reshape(
            like.shape[0], rows, columns, self.heads, size, size, self.channels // self.heads
        )
        whole = cut.permute(0, 3, 6, 1, 4, 2, 5).flatten(5).flatten(3, 4).flatten(1, 2)
        # A slice would hold an exported graph to sizes that blocks do not divide.
        return F.pad(whole, [0, -right, 0, -below])


CARD = Card(
    name="halo",
    title="Halo attention",
    module=HaloAttention,
    takes="map",
    family=("spatial",),
    start="residual",
    paper="arXiv:2103.12731",
    year=2021,
    authors="Ashish Vaswani, Prajit Ramachandran, Aravind Srinivas, Niki Parmar, Blake Hechtman, "
    "Jonathon Shlens",
    bibtex="""@inproceedings{vaswani2021scaling,
  title     = {Scaling Local Self-Attention for Parameter Efficient Visual Backbones},
  author    = {Vaswani, Ashish and Ramachandran, Prajit and Srinivas, Aravind and Parmar, Niki
               and Hechtman, Blake and Shlens, Jonathon},
  booktitle = {CVPR},
  year      = {2021}
}""",
    aliases=("halonet", "halo_attention"),
    parameters="3*C**2 + 2*(2*block + 2*halo - 1)*C//heads",
    complexity="O((C² + C·(b + 2h)²)·HW) multiplications a sample, windows in memory",
    place="stage",
    dims=(2,),
    options={"heads": 8, "block": 4, "halo": 1},
)
