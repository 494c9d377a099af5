r"""Gated Channel Transformation: channels compete by their norms; three numbers a channel.

.. math::
   e_c &= \alpha_c \sqrt{\textstyle\sum_{hw} x_c^2 + \epsilon} \\
   y_c &= x_c \left(1 + \tanh\left(
          \frac{\gamma_c\, e_c}{\sqrt{\mathrm{mean}_k\, e_k^2 + \epsilon}} + \beta_c\right)\right)

Shapes: ``[B, C, *space]`` → the same. Cost: 3C parameters, O(C) multiplications a sample, one read
for the norms and one for the product.

It begins as the identity by itself: α = 1, γ = β = 0. The authors put it before every convolution
of a network (``before=True`` when plugging) and spare β from weight decay. ``norm="l1"`` is the
official code's other mode: sums of magnitudes, in the quotient too.

The quotient is computed in units of √(H·W) and without squares, which float16 could not hold.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import expect, modulate
from ._gate import check_size, statistic
from ._spread import at_least


class GatedChannelTransformation(nn.Module):
    """Gated Channel Transformation (Yang et al., arXiv:1909.11519, section 3).

    Args:
        channels: C of the map.
        norm: ``l2`` or ``l1``, of a channel over space and of the norms over channels.
        epsilon: added under each root (``l2``) or to the mean (``l1``).
    """

    def __init__(
        self,
        channels: int,
        *,
        norm: str = "l2",
        epsilon: float = 1e-5,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        if norm not in ("l1", "l2"):
            raise RegardError(f"norm is {norm!r}; it can be 'l2' or 'l1'")
        self.norm = norm
        self.epsilon = epsilon
        self.alpha = nn.Parameter(torch.ones(channels, device=device, dtype=dtype))
        self.gamma = nn.Parameter(torch.zeros(channels, device=device, dtype=dtype))
        self.beta = nn.Parameter(torch.zeros(channels, device=device, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]``, gated."""
        x = expect(x, 1, self.channels, "gct")
        flat = x.flatten(2)
        places = flat.shape[2]
        if self.norm == "l1":
            mean = statistic(flat.abs().mean(2))
            return modulate(x, self.excite_by_means(mean, self.epsilon / places))
        norm = statistic(torch.linalg.vector_norm(flat, dim=2) / places**0.5)
        return modulate(x, self.excite(norm, (self.epsilon / places) ** 0.5))

    def excite(self, norm: Tensor, least: float) -> Tensor:
        """Root mean squares ``[B, C]``, at least some number, → gate ``[B, C]``."""
        embedding = self.alpha * at_least(norm, least)
        joint = torch.linalg.vector_norm(embedding, dim=1, keepdim=True) / self.channels**0.5
        return self.gated(embedding / at_least(joint, least))

    def excite_by_means(self, mean: Tensor, epsilon: float) -> Tensor:
        """Means of magnitudes ``[B, C]`` → gate ``[B, C]``."""
        embedding = self.alpha * mean
        return self.gated(embedding / (embedding.abs().mean(1, keepdim=True) + epsilon))

    def gated(self, share: Tensor) -> Tensor:
        """Each channel's share in the competition → gate, both ``[B, C]``."""
        return 1 + torch.tanh(self.gamma * share + self.beta)


CARD = Card(
    name="gct",
    title="Gated Channel Transformation",
    module=GatedChannelTransformation,
    takes="map",
    family=("channel",),
    start="gate",
    paper="arXiv:1909.11519",
    year=2020,
    authors="Zongxin Yang, Linchao Zhu, Yu Wu, Yi Yang",
    bibtex="""@inproceedings{yang2020gated,
  title     = {Gated Channel Transformation for Visual Recognition},
  author    = {Yang, Zongxin and Zhu, Linchao and Wu, Yu and Yang, Yi},
  booktitle = {CVPR},
  year      = {2020}
}""",
    code="https://github.com/z-x-yang/GCT",
    code_licence="no licence",
    aliases=("gated_channel_transformation",),
    variants=("official",),
    parameters="3*C",
    complexity="O(C) multiplications a sample beside two passes over the map",
    dims=(1, 2, 3),
)
