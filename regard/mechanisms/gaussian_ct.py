r"""Gaussian Context Transformer: a channel counts less the further its mean lies from the others.

.. math:: y = x \cdot \exp\left(-\frac{z^2}{2c^2}\right), \qquad
          z = \frac{\mathrm{GAP}(x) - \mu}{\sigma + \epsilon}

μ and σ are mean and spread of the C means of one sample; c is the Gaussian's width. GCT-B0 has no
parameters, c = 2; GCT-B1 (``learnable=True``) has one, c = 3·σ(θ) + 1 with θ = 0 at first.

Shapes: ``[B, C, *space]`` → the same. Cost: O(C) a sample, one read for the means and one for the
product.

There is no official code. c is a standard deviation, as the paper says, not a precision, as in
some ports; ε = 1e-5, which the paper leaves open.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import Step, expect, gate
from ._gate import check_size


class GaussianContextTransformer(nn.Module):
    """Gaussian Context Transformer (Ruan et al., CVPR 2021, section 3).

    Args:
        channels: C of the map; no parameter depends on it, and None takes any.
        width: c of GCT-B0.
        learnable: GCT-B1: c is learned, between 1 and 4, and ``width`` does not count.
        epsilon: beside σ.
    """

    def __init__(
        self,
        channels: int | None = None,
        width: float = 2.0,
        *,
        learnable: bool = False,
        epsilon: float = 1e-5,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = None if channels is None else check_size(channels, "channels")
        if not width > 0:
            raise RegardError(f"width is {width}; a Gaussian's is above zero")
        self.width = width
        self.epsilon = epsilon
        self.theta = nn.Parameter(torch.zeros(1, device=device, dtype=dtype)) if learnable else None

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``x [B, C, *space]``, gated; ``mask`` is boolean ``[B, *space]``, True = real."""
        x = expect(x, 1, self.channels, "gaussian_ct")
        step = Step("space", ("mean",), self.excite)
        return gate(x, step, mask=mask, spent=True)

    def excite(self, mean: Tensor) -> Tensor:
        """Means ``[B, C, 1, …]`` → gate ``[B, C]``."""
        mean = mean.flatten(1)
        shift = mean - mean.mean(1, keepdim=True)
        # A norm has a gradient where all means are one number; a root of a variance has not.
        spread = torch.linalg.vector_norm(shift, dim=1, keepdim=True) / mean.shape[1] ** 0.5
        width = self.width if self.theta is None else 3 * torch.sigmoid(self.theta) + 1
        return torch.exp(-0.5 * (shift / ((spread + self.epsilon) * width)).square())


CARD = Card(
    name="gaussian_ct",
    title="Gaussian Context Transformer",
    module=GaussianContextTransformer,
    takes="map",
    family=("channel",),
    start="none",
    paper="https://openaccess.thecvf.com/content/CVPR2021/html/"
    "Ruan_Gaussian_Context_Transformer_CVPR_2021_paper.html",
    year=2021,
    authors="Dongsheng Ruan, Daiyin Wang, Yuan Zheng, Nenggan Zheng, Min Zheng",
    bibtex="""@inproceedings{ruan2021gaussian,
  title     = {Gaussian Context Transformer},
  author    = {Ruan, Dongsheng and Wang, Daiyin and Zheng, Yuan and Zheng, Nenggan and Zheng, Min},
  booktitle = {CVPR},
  year      = {2021}
}""",
    aliases=("gaussian_context_transformer",),
    parameters="0",
    complexity="O(C) multiplications a sample beside two passes over the map",
    dims=(1, 2, 3),
)
