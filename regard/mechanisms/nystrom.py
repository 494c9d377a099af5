r"""Nyström attention: the softmax matrix rebuilt from m landmarks of the queries and keys.

.. math:: \tilde S V = \mathrm{softmax}\left(\frac{Q \tilde K^\top}{\sqrt d}\right)
          \mathrm{softmax}\left(\frac{\tilde Q \tilde K^\top}{\sqrt d}\right)^{+}
          \mathrm{softmax}\left(\frac{\tilde Q K^\top}{\sqrt d}\right) V \; + \; \mathrm{DConv}(V)

Landmarks are means of segments. The pseudo-inverse is found by six steps of
Z ← ¼ Z (13 I − A Z (15 I − A Z (7 I − A Z))) from Z = Aᵀ / (‖A‖₁ ‖A‖∞).

Shapes: ``[B, N, D]`` → the same, or a map ``[B, D, *space]``. Cost: 4D² + 4D + h·kernel parameters,
4N·D² + 4N·m·D multiplications: linear in N.

Self-attention only, with a mask ``[B, N]``. As the authors' code: biases, a depthwise convolution
along the values (33 taps, as in its pretrained models; 0 for none), and in float32. There N must
be a multiple of m, and the attention is exact where N = m. Here the n real tokens of a sample are
split into m segments as even as possible, the same where m divides n; up to m tokens it is exact;
and padding has no part in landmarks.

By default the start of the inverse is the paper's, ‖A‖₁ and ‖A‖∞ of each matrix. The authors' code
does so as an option; by default it takes the largest ‖A‖₁ of the batch and of all heads, so that a
sample's output depends on its neighbours: ``variant="official"``.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ._gate import StartOption, check_size, check_variant
from ._heads import Heads, key_mask, masked_softmax, widened

VARIANTS = ("paper", "official")
STEPS = 6


class NystromAttention(Heads):
    """Nyström attention (Xiong et al., arXiv:2102.03902, eq. 13 to 15).

    Args:
        dim: D, width of the tokens.
        heads: h; D must be divisible by it.
        landmarks: m.
        kernel: taps of the convolution, odd, or 0 for none.
        bias: biases in the four projections.
        variant: ``paper`` or ``official``, see the top of the file.
        residual: add the queries' source to the result; by default only at an identity start.
        start: ``paper`` or ``identity`` (output projection zero, residual).
    """

    name: ClassVar[str] = "nystrom"
    gain: ClassVar[float | None] = None

    def __init__(
        self,
        dim: int,
        heads: int = 8,
        landmarks: int = 64,
        *,
        kernel: int = 33,
        bias: bool = True,
        variant: str = "paper",
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            dim, heads, bias=bias, residual=residual, start=start, device=device, dtype=dtype
        )
        self.landmarks = check_size(landmarks, "landmarks")
        self.variant = check_variant(variant, VARIANTS)
        if kernel != 0 and check_size(kernel, "kernel") % 2 == 0:
            raise RegardError(f"kernel is {kernel}; it must be odd, or 0 for no convolution")
        self.skip: nn.Conv2d | None = None
        if kernel:
            self.skip = nn.Conv2d(
                heads, heads, (kernel, 1), padding=(kernel // 2, 0), groups=heads, bias=False,
                device=device, dtype=dtype,
            )  # fmt: skip

    def forward(self, query: Tensor, mask: Tensor | None = None) -> Tensor:
        """Self-attention.

        Args:
            query: tokens ``[B, N, D]``, or a map ``[B, D, *space]`` attending over its pixels.
            mask: boolean ``[B, N]``, True = real.

        Returns:
            The shape of ``query``; zeros in a sample without any real token.
        """
        return self.attention(query, None, None, mask)

    def mix(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool
    ) -> Tensor:
        """Three small softmaxes instead of a large one."""
        real = key_mask(mask, key, self.name)
        scale = (self.dim // self.heads) ** -0.25
        q, k, v = widened(query) * scale, widened(key) * scale, widened(value)
        if real is not None:
            v = v.masked_fill(~real.unsqueeze(-1), 0.0)
        segments, used = self._segments(q, real)
        means = segments / segments.sum(-1, keepdim=True).clamp(min=1.0)
        q_marks, k_marks = means @ q, means @ k
        to_marks = masked_softmax(q @ k_marks.transpose(-2, -1), used.transpose(-2, -1))
        between = masked_softmax(q_marks @ k_marks.transpose(-2, -1), used & used.transpose(-2, -1))
        far = masked_softmax(
            q_marks @ k.transpose(-2, -1), None if real is None else real.unsqueeze(-2)
        )
        # Where each token is a landmark itself, its value is the landmark's: exact.
        exact = (segments.sum(-1, keepdim=True) <= 1).all(-2, keepdim=True)
        marks = torch.where(exact, segments @ v, self._inverse(between) @ (far @ v))
        out = to_marks @ marks
        if self.skip is not None:
            out = out + self.skip(v.to(self.skip.weight.dtype)).to(out.dtype)
        return out.to(value.dtype)

    def _segments(self, like: Tensor, real: Tensor | None) -> tuple[Tensor, Tensor]:
        """Which token is in which segment ``[B, 1, m, N]``, and which have any ``[B, 1, m, 1]``."""
        if real is None:
            real = torch.ones_like(like[:, :1, :, 0], dtype=torch.bool)
        place = real.long().cumsum(-1) - 1  # among the real tokens
        number = real.long().sum(-1, keepdim=True)
        # Fewer tokens than segments: one each, in the first ones.
        segment = torch.where(
            number > self.landmarks, place * self.landmarks // number.clamp(min=1), place
        )
        marks = torch.arange(self.landmarks, device=like.device)[:, None]
        inside = (segment.unsqueeze(-2) == marks) & real.unsqueeze(-2)
        return inside.to(like.dtype), inside.any(-1, keepdim=True)

    def _inverse(self, matrix: Tensor) -> Tensor:
        """The pseudo-inverse of ``[B, h, m, m]``, by iteration."""
        columns = matrix.sum(-2).amax(-1)[..., None, None]
        rows = matrix.sum(-1).amax(-1)[..., None, None]
        if self.variant == "official":
            columns, rows = columns.amax(), torch.ones_like(rows)
        # No landmark at all: every number is zero and stays so.
        inverse = matrix.transpose(-2, -1) / (columns * rows).clamp(min=1e-6)
        one = torch.eye(self.landmarks, dtype=matrix.dtype, device=matrix.device)
        for _ in range(STEPS):
            product = matrix @ inverse
            inner = 15 * one - product @ (7 * one - product)
            inverse = 0.25 * inverse @ (13 * one - product @ inner)
        return inverse


CARD = Card(
    name="nystrom",
    title="Nyström attention",
    module=NystromAttention,
    takes="tokens",
    family=("tokens",),
    start="residual",
    paper="arXiv:2102.03902",
    year=2021,
    authors="Yunyang Xiong, Zhanpeng Zeng, Rudrasis Chakraborty, Mingxing Tan, Glenn Fung, Yin Li, "
    "Vikas Singh",
    bibtex="""@inproceedings{xiong2021nystromformer,
  title     = {Nystr{\\"o}mformer: A Nystr{\\"o}m-Based Algorithm for Approximating Self-Attention},
  author    = {Xiong, Yunyang and Zeng, Zhanpeng and Chakraborty, Rudrasis and Tan, Mingxing
               and Fung, Glenn and Li, Yin and Singh, Vikas},
  booktitle = {AAAI},
  year      = {2021}
}""",
    code="https://github.com/mlpen/Nystromformer",
    aliases=("nystromformer",),
    variants=VARIANTS,
    parameters="4*C**2 + 4*C + heads*kernel",
    complexity="O(N·D² + N·m·D) multiplications, O(N·m) memory",
    place="stage",
    options={"heads": 8, "landmarks": 3},
    waives={"permutation": "landmarks are means of neighbours, and a convolution runs along them"},
)
