r"""Lambda layer: the context becomes a small linear map for every pixel, no attention map at all.

.. math::
   \lambda_n = \sum_m \bigl(\mathrm{softmax}_m(K)_m + E_{nm}\bigr)\, V_m^\top, \qquad
   y_n^{(h)} = \lambda_n^\top\, \mathrm{BN}(Q)_n^{(h)}, \qquad V = \mathrm{BN}(W_v x)

The content lambda is one for the whole map; the position lambda differs from pixel to pixel. E
depends on the offset alone and is zero outside r×r pixels, so that position lambdas are a
convolution of the values, one filter for each of the k channels of the queries. All h heads of the
queries use one lambda.

Shapes: ``[B, C, H, W]`` → the same; h must divide C. Cost with v = C/h and depth u: C(hk + ku + vu)
+ 2hk + 2vu + kur² parameters, about (C(hk + u(k + v)) + kvu(r² + 1) + hkv)·HW multiplications a
sample.

As the paper's listing, which is all the official code there is: no biases, BatchNorm on queries and
values, k = 16, h = 4, u = 1, r = 23. Position filters are drawn with deviation 1/√k. The identity
start adds the input and sets the weight of the values' BatchNorm to zero.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import expect
from ._gate import StartOption, adds_input, check_size, check_start, zero
from .multihead import check_heads


class LambdaLayer(nn.Module):
    """Lambda layer with local positions (Bello, arXiv:2102.08602, section 3 and appendix B).

    Args:
        channels: C of the map.
        heads: h, of the queries.
        kernel_size: r, of the position lambdas; odd.
        key_channels: k, of the keys and of each head's queries.
        depth: u, the intra-depth.
        residual: add the input to the result; by default only at an identity start.
        start: ``paper``, or ``identity``: values zero, the input added.
    """

    def __init__(
        self,
        channels: int,
        heads: int = 4,
        kernel_size: int = 23,
        *,
        key_channels: int = 16,
        depth: int = 1,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.heads = check_size(channels, "channels"), check_heads(channels, heads)
        keys, self.depth = check_size(key_channels, "key_channels"), check_size(depth, "depth")
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise RegardError(
                f"kernel_size is {kernel_size}; lambda needs an odd number, 7, 15, 23, …"
            )
        where: dict[str, Any] = {"device": device, "dtype": dtype}
        values = channels // heads
        self.query = nn.Conv2d(channels, keys * heads, 1, bias=False, **where)
        self.key = nn.Conv2d(channels, keys * depth, 1, bias=False, **where)
        self.value = nn.Conv2d(channels, values * depth, 1, bias=False, **where)
        self.query_norm = nn.BatchNorm2d(keys * heads, **where)
        self.value_norm = nn.BatchNorm2d(values * depth, **where)
        self.positions = nn.Conv2d(
            depth, keys, kernel_size, padding=kernel_size // 2, bias=False, **where
        )
        nn.init.normal_(self.positions.weight, std=keys**-0.5)
        self.residual = adds_input(start, residual)
        if check_start(start) == "identity":
            zero(self.value_norm)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]`` → each pixel's lambda of its queries, of the same shape."""
        x = expect(x, 1, self.channels, "lambda", axes=4)
        query = self.query_norm(self.query(x)).flatten(2).unflatten(1, (self.heads, -1))
        out = torch.einsum("bhkn,bvkn->bhvn", query, self.lambdas(x)).reshape(x.shape)
        return x + out if self.residual else out

    def lambdas(self, x: Tensor) -> Tensor:
        """Content and position lambdas of each pixel, ``[B, v, k, N]``."""
        key = self.key(x).flatten(2).softmax(2).unflatten(1, (-1, self.depth))  # [B, k, u, N]
        value = self.value_norm(self.value(x)).unflatten(1, (-1, self.depth))  # [B, v, u, H, W]
        content = torch.einsum("bkun,bvun->bvk", key, value.flatten(3))
        position = self.positions(value.flatten(0, 1)).flatten(2)
        return content.unsqueeze(3) + position.unflatten(0, (-1, value.shape[1]))


CARD = Card(
    name="lambda",
    title="Lambda layer",
    module=LambdaLayer,
    takes="map",
    family=("spatial",),
    start="residual",
    paper="arXiv:2102.08602",
    year=2021,
    authors="Irwan Bello",
    bibtex="""@inproceedings{bello2021lambdanetworks,
  title     = {{LambdaNetworks}: Modeling Long-Range Interactions without Attention},
  author    = {Bello, Irwan},
  booktitle = {ICLR},
  year      = {2021}
}""",
    aliases=("lambda_layer", "lambda_networks"),
    parameters="C*(heads*key_channels + key_channels*depth + C//heads*depth)"
    " + 2*heads*key_channels + 2*C//heads*depth + key_channels*depth*kernel_size**2",
    complexity="O((hkC + r²kC/h)·HW) multiplications a sample, O(kC/h·HW) memory",
    place="stage",
    dims=(2,),
    options={"heads": 4, "kernel_size": 7, "key_channels": 16, "depth": 1},
    waives={
        "finite": "a sum over r² pixels of products of three projections: where the statistics of "
        "training are not those of a map of 100, what is due is beyond float16"
    },
)
