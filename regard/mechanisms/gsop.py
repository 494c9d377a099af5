r"""GSoP: channels weighed by how they vary together, the covariances of a reduced map.

.. math::
   z &= \mathrm{relu}(\mathrm{BN}(\mathrm{conv}_{1\times1}(\mathrm{relu}(x)))), \qquad
   \Sigma = \mathrm{cov}_{hw}(z) \in \mathbb{R}^{d \times d} \\
   y &= x \cdot \sigma(W\,\mathrm{rows}(\mathrm{BN}(\Sigma)))

``rows`` takes each of the d rows of Σ, a channel's covariances with all others, to four numbers by
a convolution of its own.

Shapes: ``[B, C, *space]`` → the same. Cost: 5Cd + 4d² + 9d + C parameters, O(CdHW + d²HW)
multiplications a sample.

This is the channel form, the default of the official code and the paper's best alone. The official
code has no rectifier between ``rows`` and W; at the first stage of a ResNet it reduces with
``stride=2``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ..ops import expect, modulate
from ._dims import batch_norm, convolution
from ._gate import Sigmoid, StartOption, check_size, statistic, zero


class GlobalSecondOrderPooling(nn.Module):
    """The channel form of a GSoP block (Gao et al., arXiv:1811.12006, section 3).

    Args:
        channels: C of the map.
        dim: d, channels of the reduced map.
        stride: of the convolution that reduces.
        dims: spatial dimensions of the map: 1, 2 or 3.
        start: ``paper``, or ``identity``: a zero last layer and gate 2σ.
    """

    def __init__(
        self,
        channels: int,
        dim: int = 128,
        *,
        stride: int = 1,
        dims: int = 2,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        self.dims = dims
        check_size(dim, "dim")
        self.reduce = convolution(dims)(
            channels, dim, 1, check_size(stride, "stride"), device=device, dtype=dtype
        )
        self.norm = batch_norm(dims)(dim, device=device, dtype=dtype)
        self.row_norm = nn.BatchNorm1d(dim, device=device, dtype=dtype)
        self.rows = nn.Conv1d(dim, 4 * dim, dim, groups=dim, device=device, dtype=dtype)
        self.expand = nn.Linear(4 * dim, channels, device=device, dtype=dtype)
        for layer in (self.reduce, self.rows, self.expand):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        self.sigmoid = Sigmoid(start)
        if start == "identity":
            zero(self.expand)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]``, gated."""
        x = expect(x, 1, self.channels, f"gsop with dims={self.dims}", axes=self.dims + 2)
        z = torch.relu(self.norm(self.reduce(torch.relu(x)))).flatten(2)
        # Divided before the product, which would overflow float16 after it.
        z = (z - z.mean(2, keepdim=True)) / z.shape[2] ** 0.5
        covariance = z @ z.transpose(1, 2)
        return modulate(x, self.excite(statistic(covariance.flatten(1))))

    def excite(self, covariance: Tensor) -> Tensor:
        """Covariances ``[B, d²]`` → gate ``[B, C]``."""
        rows = self.rows(self.row_norm(covariance.unflatten(1, (self.row_norm.num_features, -1))))
        excited: Tensor = self.sigmoid(self.expand(rows.flatten(1)))
        return excited


CARD = Card(
    name="gsop",
    title="Global Second-order Pooling",
    module=GlobalSecondOrderPooling,
    takes="map",
    family=("channel",),
    start="gate",
    paper="arXiv:1811.12006",
    year=2019,
    authors="Zilin Gao, Jiangtao Xie, Qilong Wang, Peihua Li",
    bibtex="""@inproceedings{gao2019global,
  title     = {Global Second-order Pooling Convolutional Networks},
  author    = {Gao, Zilin and Xie, Jiangtao and Wang, Qilong and Li, Peihua},
  booktitle = {CVPR},
  year      = {2019}
}""",
    code="https://github.com/ZilinGao/Global-Second-order-Pooling-Convolutional-Networks",
    code_licence="MIT",
    aliases=("gsop_net", "second_order_pooling"),
    variants=("official",),
    parameters="5*C*dim + 4*dim**2 + 9*dim + C",
    complexity="O(CdHW + d²HW) multiplications a sample",
    dims=(1, 2, 3),
    options={"dim": 32},
)
