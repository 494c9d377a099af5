r"""AFT-conv: an attention-free mean of all values, the near ones weighed by a kernel of each head.

.. math:: z_t = \sigma(q_t) \odot
          \frac{\mathrm{conv}(e^{k} \odot v,\; e^{w} - 1)_t + \sum_{t'} e^{k_{t'}} \odot v_{t'}}
          {\mathrm{conv}(e^{k},\; e^{w} - 1)_t + \sum_{t'} e^{k_{t'}}}, \qquad
          w = \gamma\, \frac{w' - \mathrm{mean}(w')}{\mathrm{std}(w')} + \beta

That is the mean of AFT with a bias w of the distance t' - t, zero beyond the kernel, in linear
time. Each of h heads has one key a token and one kernel of s taps.

Shapes: ``[B, N, D]`` → the same, or a map ``[B, D, *space]``, whose pixels follow each other row by
row. Cost: 3D² + 3D + h·(D + s + 3) parameters, 3N·D² + N·D·s multiplications, O(N·D) memory. With
``causal`` or a mask for each pair the weights are made pair by pair: O(N²·D) memory.

There is no first-party code. γ and β begin at zero, so that w does: AFT without biases. An output
projection and biases as in multi-head attention, which it replaces.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops.attention import allowed_pairs
from ._gate import StartOption, check_size
from ._heads import Heads, widened
from ._means import means_by_pair, raised

EPS = 1e-8  # a kernel of one tap has no spread


class AFTConv(Heads):
    """AFT-conv along a sequence (Zhai et al., arXiv:2105.14103, eq. 6).

    Args:
        dim: D, width of the tokens.
        heads: h; D must be divisible by it.
        kernel: s, taps, odd.
        bias: biases in the four projections.
        residual: add the queries' source to the result; by default only at an identity start.
        start: ``paper`` or ``identity`` (output projection zero, residual).
    """

    name: ClassVar[str] = "aft_conv"

    def __init__(
        self,
        dim: int,
        heads: int = 8,
        kernel: int = 11,
        *,
        bias: bool = True,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            dim, heads, bias=bias, residual=residual, start=start, device=device, dtype=dtype
        )
        if check_size(kernel, "kernel") % 2 == 0:
            raise RegardError(f"kernel is {kernel}; it must be odd, to have a middle")
        self.key = nn.Linear(dim, heads, bias, device, dtype)
        nn.init.xavier_uniform_(self.key.weight)
        self.taps = nn.Parameter(torch.empty(heads, kernel, device=device, dtype=dtype))
        nn.init.normal_(self.taps)
        self.gain_taps = nn.Parameter(torch.zeros(heads, 1, device=device, dtype=dtype))
        self.bias_taps = nn.Parameter(torch.zeros(heads, 1, device=device, dtype=dtype))

    def forward(self, query: Tensor, mask: Tensor | None = None, causal: bool = False) -> Tensor:
        """The gated means of a sequence over itself.

        Args:
            query: tokens ``[B, N, D]``, or a map ``[B, D, *space]``.
            mask: boolean, True = may attend; ``[B, N]``, ``[B, N, N]`` or ``[B, h, N, N]``.
            causal: a token sees no later one.

        Returns:
            The shape of ``query``; zeros where a token may attend nowhere.
        """
        return self.attention(query, None, None, mask, causal)

    def split(self, x: Tensor) -> Tensor:
        """``[B, N, h · d]`` → ``[B, h, N, d]``; keys have d = 1."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def mix(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool
    ) -> Tensor:
        """The gate times the means."""
        allowed = allowed_pairs(query, key, mask, causal)
        if causal or (mask is not None and mask.dim() > 2):
            means = means_by_pair(key, value, self._by_pair(key), allowed)
        else:
            means = self._convolved(key, value, allowed)
        return query.sigmoid() * means

    def kernel(self) -> Tensor:
        """w ``[h, s]``, for distances from -s // 2 to s // 2."""
        taps = widened(self.taps)
        spread = (taps.var(-1, correction=0, keepdim=True) + EPS).sqrt()
        normal = (taps - taps.mean(-1, keepdim=True)) / spread
        return self.gain_taps * normal + self.bias_taps

    def _convolved(self, key: Tensor, value: Tensor, allowed: Tensor | None) -> Tensor:
        weight = raised(key, allowed)
        both = torch.cat([weight * widened(value), weight], -1)  # sums and totals, [B, h, N, d + 1]
        near = self.kernel().to(both.dtype).expm1()
        half = near.shape[-1] // 2
        local = F.conv2d(both, near[:, None, :, None], padding=(half, 0), groups=self.heads)
        both = local + both.sum(-2, keepdim=True)
        total = both[..., -1:]
        return (both[..., :-1] / (total + (total == 0))).to(value.dtype)

    def _by_pair(self, key: Tensor) -> Tensor:
        """w of each pair of tokens, ``[h, N, N]``."""
        taps = self.kernel()
        half = taps.shape[-1] // 2
        place = torch.arange(key.shape[-2], device=key.device)
        distance = place - place[:, None]
        near = taps[:, (distance + half).clamp(0, 2 * half)]
        return near.masked_fill(distance.abs() > half, 0.0)


CARD = Card(
    name="aft_conv",
    title="Attention-Free Transformer, convolutional",
    module=AFTConv,
    takes="tokens",
    family=("tokens",),
    start="residual",
    paper="arXiv:2105.14103",
    year=2021,
    authors="Shuangfei Zhai, Walter Talbott, Nitish Srivastava, Chen Huang, Hanlin Goh, "
    "Ruixiang Zhang, Josh Susskind",
    bibtex="""@article{zhai2021attention,
  title   = {An Attention Free Transformer},
  author  = {Zhai, Shuangfei and Talbott, Walter and Srivastava, Nitish and Huang, Chen
             and Goh, Hanlin and Zhang, Ruixiang and Susskind, Josh},
  journal = {arXiv:2105.14103},
  year    = {2021}
}""",
    parameters="3*C**2 + 3*C + heads*(C + kernel + 3)",
    complexity="O(N·D² + N·D·s) multiplications, O(N·D) memory",
    place="stage",
    options={"heads": 8, "kernel": 3},
    waives={"permutation": "a convolution runs along the tokens"},
)
