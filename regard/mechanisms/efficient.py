r"""Efficient attention: keys and values are summed up first, so that the cost is linear in pixels.

.. math::
   y = x + W\,\bigl(\rho_q(Q)\,(\rho_k(K)^\top V)\bigr), \qquad
   \rho_q: \text{softmax over the channels}, \quad \rho_k: \text{softmax over the pixels}

ρ_k(K)ᵀV is one summary of the whole map for every channel of the keys; each pixel mixes them.

Shapes: ``[B, C, *space]`` → the same. Cost with k = v = C/2: 2C² + 2.5C parameters, about
(2C² + C²/2h)·HW multiplications a sample.

As the official code: 1×1 convolutions with biases, softmax normalisation (the paper's other one
divides by the root of the number of pixels), a reprojection and the input added. Heads are the
code's, not the paper's; it names no default widths, ours are those of the non-local block.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import attend, expect
from ._gate import StartOption, check_size, check_start, zero
from ._pixels import project, rows, tokens, unproject


class EfficientAttention(nn.Module):
    """Efficient attention (Shen et al., arXiv:1812.01243, eq. 3 and 4).

    Args:
        channels: C of the map.
        key_channels: of queries and keys, by default max(2, C // 2): the softmax over one would be
            one everywhere.
        value_channels: by default as many as of the keys.
        heads: h; must divide both.
        start: ``paper``: default initialisation; ``identity``: the reprojection zero.
    """

    def __init__(
        self,
        channels: int,
        key_channels: int | None = None,
        value_channels: int | None = None,
        *,
        heads: int = 1,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.heads = check_size(channels, "channels"), check_size(heads, "heads")
        keys = check_size(max(2, channels // 2) if key_channels is None else key_channels, "keys")
        values = check_size(keys if value_channels is None else value_channels, "value_channels")
        if keys % heads or values % heads:
            raise RegardError(
                f"{heads} heads do not divide {keys} key channels and {values} value channels; "
                "one head divides any"
            )
        self.key = nn.Conv2d(channels, keys, 1, device=device, dtype=dtype)
        self.query = nn.Conv2d(channels, keys, 1, device=device, dtype=dtype)
        self.value = nn.Conv2d(channels, values, 1, device=device, dtype=dtype)
        self.output = nn.Conv2d(values, channels, 1, device=device, dtype=dtype)
        if check_start(start) == "identity":
            zero(self.output)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]`` plus each pixel's mixture of the summaries."""
        x = expect(x, 1, self.channels, "efficient")
        pixels = tokens(x).unsqueeze(1).expand(-1, self.heads, -1, -1)
        value = project(x, self.value).unflatten(2, (self.heads, -1)).transpose(1, 2)
        summaries = attend(
            *(rows(self.key, x.shape[0], self.heads), pixels, value),
            score="dot",
            bias=self._bias(self.key).transpose(1, 2),
        )
        mixed = attend(
            *(pixels, rows(self.query, x.shape[0], self.heads), summaries),
            score="dot",
            bias=self._bias(self.query),
        )
        return x + unproject(mixed.transpose(1, 2).flatten(2), x, self.output)

    def _bias(self, convolution: nn.Conv2d) -> Tensor:
        """A convolution's bias for every head, ``[h, 1, k / h]``."""
        bias: Tensor = convolution.bias  # type: ignore[assignment]
        return bias.unflatten(0, (self.heads, 1, -1))


CARD = Card(
    name="efficient",
    title="Efficient attention",
    module=EfficientAttention,
    takes="map",
    family=("spatial",),
    start="residual",
    paper="arXiv:1812.01243",
    year=2021,
    authors="Zhuoran Shen, Mingyuan Zhang, Haiyu Zhao, Shuai Yi, Hongsheng Li",
    bibtex="""@inproceedings{shen2021efficient,
  title     = {Efficient Attention: Attention with Linear Complexities},
  author    = {Shen, Zhuoran and Zhang, Mingyuan and Zhao, Haiyu and Yi, Shuai and Li, Hongsheng},
  booktitle = {WACV},
  year      = {2021}
}""",
    code="https://github.com/cmsflash/efficient-attention",
    code_licence="MIT",
    aliases=("efficient_attention",),
    variants=("official",),
    parameters="4*C*max(2, C//2) + 3*max(2, C//2) + C",
    complexity="O(C²·HW) multiplications a sample",
    place="stage",
    dims=(1, 2, 3),
)
