r"""Attention-augmented convolution: some output channels of a convolution come from attention.

.. math::
   y = [\mathrm{conv}(x);\ W_o\,\mathrm{heads}(x)], \qquad
   \mathrm{logit}_{ij} = \tfrac{q_i^\top}{\sqrt{d}}
       \left(k_j + r^W_{j_x - i_x} + r^H_{j_y - i_y}\right)

Every pixel attends to all pixels of the map; r are learned vectors, one for each offset along the
width and the height, shared by the heads.

Shapes: ``[B, C, H, W]`` → the same. With K channels of keys and V of values: cost
C(C-V)k² + C - V + (C + 1)(2K + V) + V² + V + (4s-2)K/h parameters, (HW)²(2K + V) multiplications.

K and V are about C/5 and C/10, multiples of h, as in the paper (κ = 2υ = 0.2). Its code builds the
vectors for one size of the map. Ours are for sides of up to s; on larger maps, offsets beyond s - 1
take the farthest vector. Start: ``identity`` adds the result to the input, with a zero convolution
and a zero output projection.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import attend, expect
from ._gate import StartOption, adds_input, check_size, check_start, zero
from ._windows import check_odd


class AugmentedConvolution(nn.Module):
    """Attention-augmented convolution (Bello et al., arXiv:1904.09925, eq. 1 to 5).

    Args:
        channels: C of the map.
        kernel_size: k of the convolution, odd.
        heads: h.
        keys: K, channels of queries and of keys; a multiple of h.
        values: V, output channels that come from attention; a multiple of h below C.
        span: s, the longest side of a map with vectors for all of its offsets.
        residual: add the input to the result; by default only at an identity start.
        start: ``paper``, or ``identity``: zero last layers, and the input added.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 3,
        heads: int = 8,
        *,
        keys: int | None = None,
        values: int | None = None,
        span: int = 14,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.heads = check_size(channels, "channels"), check_size(heads, "heads")
        self.keys = _share(keys, channels // (5 * heads), heads, "keys")
        self.values = _share(values, channels // (10 * heads), heads, "values")
        if self.values >= channels:
            raise RegardError(
                f"augmented_conv takes {self.values} of its {channels} channels from attention; "
                f"at least one must be left for the convolution: give fewer heads or values"
            )
        self.span, pad = check_size(span, "span"), check_odd(kernel_size, "kernel_size") // 2
        self.residual = adds_input(check_start(start), residual)
        rest, projected = channels - self.values, 2 * self.keys + self.values
        self.conv = nn.Conv2d(channels, rest, kernel_size, padding=pad, device=device, dtype=dtype)
        self.qkv = nn.Conv2d(channels, projected, 1, device=device, dtype=dtype)
        self.output = nn.Conv2d(self.values, self.values, 1, device=device, dtype=dtype)
        self.relative_height = _vectors(2 * span - 1, self.keys // heads, device, dtype)
        self.relative_width = _vectors(2 * span - 1, self.keys // heads, device, dtype)
        if start == "identity":
            zero(self.conv, self.output)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]``, convolved and attended; channels of the convolution come first."""
        x = expect(x, 1, self.channels, "augmented_conv", axes=4)
        query, key, value = self.qkv(x).split((self.keys, self.keys, self.values), 1)
        heads = (t.unflatten(1, (self.heads, -1)).movedim(2, -1) for t in (query, key, value))
        query, key, value = heads
        bias = self._positions(query * (self.keys // self.heads) ** -0.5)
        flat = (t.flatten(2, 3) for t in (query, key, value))
        out = attend(*flat, bias=bias).unflatten(2, (x.shape[2], x.shape[3]))
        attended = self.output(out.permute(0, 1, 4, 2, 3).flatten(1, 2))
        y = torch.cat((self.conv(x), attended), 1)
        return x + y if self.residual else y

    def _positions(self, query: Tensor) -> Tensor:
        """What offsets add to the logits of queries ``[B, h, H, W, d]``: ``[B, h, N, N]``."""
        rows = self.relative_height[self._offsets(query.shape[2], query.device)]
        columns = self.relative_width[self._offsets(query.shape[3], query.device)]
        down = torch.einsum("bhyxd,yrd->bhyxr", query, rows)
        across = torch.einsum("bhyxd,xcd->bhyxc", query, columns)
        both = down.unsqueeze(5) + across.unsqueeze(4)
        return both.flatten(4).flatten(2, 3)

    def _offsets(self, size: int, device: torch.device) -> Tensor:
        """Where the offset key - query stands in a table, ``[n, n]``."""
        place = torch.arange(size, device=device)
        return (place - place[:, None]).clamp(1 - self.span, self.span - 1) + self.span - 1


def _share(given: int | None, each: int, heads: int, what: str) -> int:
    """Channels for all heads: as given, or ``each`` a head."""
    if given is None:
        return max(1, each) * heads
    if check_size(given, what) % heads:
        raise RegardError(f"{what} is {given}; it must be a multiple of the {heads} heads")
    return given


def _vectors(
    count: int, width: int, device: torch.device | str | None, dtype: torch.dtype | None
) -> nn.Parameter:
    """Normal numbers of the deviation that a query's scale has, as in the paper's code."""
    table = torch.empty(count, width, device=device, dtype=dtype)
    return nn.Parameter(nn.init.normal_(table, std=width**-0.5))


CARD = Card(
    name="augmented_conv",
    title="Attention-augmented convolution",
    module=AugmentedConvolution,
    takes="map",
    family=("spatial",),
    start="residual",
    paper="arXiv:1904.09925",
    year=2019,
    authors="Irwan Bello, Barret Zoph, Ashish Vaswani, Jonathon Shlens, Quoc V. Le",
    bibtex="""@inproceedings{bello2019attention,
  title     = {Attention Augmented Convolutional Networks},
  author    = {Bello, Irwan and Zoph, Barret and Vaswani, Ashish and Shlens, Jonathon
               and Le, Quoc V.},
  booktitle = {ICCV},
  year      = {2019}
}""",
    aliases=("aa_conv", "attention_augmented", "attention_augmented_conv"),
    parameters="C*(C - heads*max(1, C//(10*heads)))*kernel_size**2 + C"
    " + 2*heads*max(1, C//(5*heads))*(C + 1) + heads*max(1, C//(10*heads))*C"
    " + (heads*max(1, C//(10*heads)))**2 + heads*max(1, C//(10*heads))"
    " + (4*span - 2)*max(1, C//(5*heads))",
    complexity="O(k²·C²·HW + (HW)²·C) multiplications",
    place="branch",
    options={"heads": 2, "span": 6},
)
