r"""Efficient multi-head self-attention (EMSA, ResT): fewer keys, and heads that talk to each other.

.. math::
   x' &= \mathrm{LN}(\mathrm{dw}_{(s+1)\times(s+1),\,s}(x)), \qquad
   K, V = x' W_{KV} \\
   y &= \mathrm{IN}\left(\mathrm{softmax}\left(\mathrm{conv}_{1\times1}\left(
        \tfrac{Q K^\top}{\sqrt{d}}\right)\right)\right) V\, W_O

A depthwise convolution of stride s leaves one key for s² pixels. The convolution over the heads
gives each head a say in the others' scores, and the instance normalisation restores what the short
keys took from their variety; its rows no longer sum to one.

Shapes: ``[B, C, H, W]`` → the same. Cost: 4C² + (s + 1)²C + 7C + h² + h parameters, 2N²·C/s²
multiplications for N pixels beside the projections.

As in the official networks all projections have biases, the transform is on and weights begin
normal with a deviation of 0.02. With one head there is no transform, with s = 1 no convolution.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

from ..cards import Card
from ..errors import RegardError
from ..ops import attend, expect, from_tokens, to_tokens
from ._gate import StartOption, adds_input, check_size, check_start, zero
from .multihead import check_heads


class EfficientMultiHeadSelfAttention(nn.Module):
    """Efficient multi-head self-attention (Zhang and Yang, arXiv:2105.13677, eq. 2 to 4).

    Args:
        channels: C of the map, divisible by the heads.
        heads: h.
        reduction: s, even or 1; keys are made of s × s pixels.
        transform: let the heads talk to each other, and normalise the weights.
        bias: biases of queries, keys and values.
        residual: add the map to the result; by default only at an identity start.
        start: ``paper``, or ``identity``: W_O zero, residual.
    """

    def __init__(
        self,
        channels: int,
        heads: int = 8,
        reduction: int = 2,
        *,
        transform: bool = True,
        bias: bool = True,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        self.heads = check_heads(channels, heads)
        self.reduction = check_reduction(reduction)
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.query = nn.Linear(channels, channels, bias, **made)
        self.key_value = nn.Linear(channels, 2 * channels, bias, **made)
        self.output = nn.Linear(channels, channels, **made)
        if reduction > 1:
            self.reduce = nn.Conv2d(
                channels, channels, reduction + 1, stride=reduction, padding=reduction // 2,
                groups=channels, **made,
            )  # fmt: skip
            self.norm = nn.LayerNorm(channels, **made)
        self.transform = nn.Conv2d(heads, heads, 1, **made) if transform and heads > 1 else None
        for layer in self.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                nn.init.trunc_normal_(layer.weight, std=0.02)
            if isinstance(layer, nn.Linear) and layer.bias is not None:
                nn.init.zeros_(layer.bias)
        if check_start(start) == "identity":
            zero(self.output)
        self.residual = adds_input(start, residual)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]``, each pixel attending over the reduced map."""
        x = expect(x, 1, self.channels, "emsa", axes=4)
        query = self.query(to_tokens(x)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        pairs = self.key_value(self._source(x)).unflatten(-1, (2, self.heads, -1))
        key, value = pairs[:, :, 0].transpose(1, 2), pairs[:, :, 1].transpose(1, 2)
        if self.transform is None:
            out = attend(query, key, value)
        else:
            out = normalised(self._weights(query, key)) @ value
        y = from_tokens(self.output(out.transpose(1, 2).flatten(2)), x)
        return x + y if self.residual else y

    def _weights(self, query: Tensor, key: Tensor) -> Tensor:
        """Of all pixels over the keys, ``[B, h, N, Nk]``, after the heads have talked."""
        scores = scaled(query, key, (self.channels // self.heads) ** -0.5)
        weights: Tensor = self.transform(scores).softmax(-1)  # type: ignore[misc]
        return weights

    def _source(self, x: Tensor) -> Tensor:
        """What the keys and values are made of: tokens ``[B, Nk, C]``."""
        if self.reduction == 1:
            return to_tokens(x)
        reduced: Tensor = self.norm(to_tokens(self.reduce(x)))
        return reduced


def scaled(query: Tensor, key: Tensor, scale: float) -> Tensor:
    """Scaled products of all queries and keys, ``[B, h, N, Nk]``.

    What is normalised after the softmax lies close together, so that every rounding shows: the
    order is that of the official code, except in float16, which the products may be beyond.
    """
    if has_torch_function((query, key)):
        return handle_torch_function(scaled, (query, key), query, key, scale)
    if query.dtype == torch.float16:
        return (query * scale) @ key.transpose(2, 3)
    return (query @ key.transpose(2, 3)) * scale


def normalised(weights: Tensor) -> Tensor:
    """Instance normalisation without weights, of a single value too, which PyTorch's refuses."""
    return torch.instance_norm(weights, None, None, None, None, True, 0.1, 1e-5, False)


def check_reduction(reduction: int) -> int:
    """``reduction`` itself, if a kernel of one more reaches as far to each side."""
    if check_size(reduction, "reduction") > 1 and reduction % 2:
        raise RegardError(f"reduction is {reduction}; emsa takes 1 or an even number, 2, 4, 8, …")
    return reduction


CARD = Card(
    name="emsa",
    title="Efficient multi-head self-attention",
    module=EfficientMultiHeadSelfAttention,
    takes="map",
    family=("spatial", "tokens"),
    start="residual",
    paper="arXiv:2105.13677",
    year=2021,
    authors="Qinglong Zhang, Yubin Yang",
    bibtex="""@inproceedings{zhang2021rest,
  title     = {{ResT}: An Efficient Transformer for Visual Recognition},
  author    = {Zhang, Qinglong and Yang, Yubin},
  booktitle = {NeurIPS},
  year      = {2021}
}""",
    code="https://github.com/wofmanaf/ResT",
    code_licence="Apache-2.0",
    aliases=("rest", "efficient_multihead"),
    variants=("official",),
    parameters="4*C**2 + 4*C + heads**2 + heads"
    " + (C*(reduction + 1)**2 + 3*C)*min(1, reduction//2)",
    complexity="O(N·C² + N²·C/s²) multiplications, O(h·N²/s²) memory",
    place="stage",
    dims=(2,),
    options={"heads": 8, "reduction": 2},
)
