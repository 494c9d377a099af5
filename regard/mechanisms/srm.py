r"""Style-based Recalibration: weigh each channel by its own mean and standard deviation.

.. math:: y_c = x_c \cdot \sigma(\mathrm{BN}(w_{c1}\,\mu_c + w_{c2}\,\sigma_c)), \qquad
          \sigma_c = \sqrt{\mathrm{var}_{hw}(x_c) + 10^{-5}}

No channel sees another. The variance is the unbiased one, over H·W - 1; a map of a single place
has none, and the official code's NaN is a zero here.

Shapes: ``[B, C, *space]`` → the same. Cost: 4C parameters, O(C) multiplications a sample, two reads
for the statistics and one for the product.

As in the official code the weights start at zero, so that the gate begins at one half; the
authors spare all parameters of the module from weight decay.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ..ops import expect, modulate, squeeze
from ._gate import Sigmoid, StartOption, check_size, statistic
from ._spread import at_least, deviation

EPSILON = 1e-5  # beside the variance


class StyleRecalibration(nn.Module):
    """Style-based Recalibration Module (Lee et al., arXiv:1903.10829, section 3).

    Args:
        channels: C of the map.
        start: ``paper``, or ``identity``: gate 2σ; the logits are zero at first in either case.
    """

    def __init__(
        self,
        channels: int,
        *,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        self.weight = nn.Parameter(torch.zeros(channels, 2, device=device, dtype=dtype))
        self.norm = nn.BatchNorm1d(channels, device=device, dtype=dtype)
        self.sigmoid = Sigmoid(start)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]``, gated."""
        x = expect(x, 1, self.channels, "srm")
        (mean,) = squeeze(x, "space")
        spread = at_least(deviation((x - mean).flatten(2)), EPSILON**0.5)
        return modulate(x, self.excite(mean.flatten(1), statistic(spread.flatten(1))))

    def excite(self, mean: Tensor, spread: Tensor) -> Tensor:
        """Means and standard deviations ``[B, C]`` → gate ``[B, C]``."""
        style = self.weight[:, 0] * mean + self.weight[:, 1] * spread
        excited: Tensor = self.sigmoid(self.norm(style))
        return excited


CARD = Card(
    name="srm",
    title="Style-based Recalibration Module",
    module=StyleRecalibration,
    takes="map",
    family=("channel",),
    start="gate",
    paper="arXiv:1903.10829",
    year=2019,
    authors="HyunJae Lee, Hyo-Eun Kim, Hyeonseob Nam",
    bibtex="""@inproceedings{lee2019srm,
  title     = {{SRM}: A Style-based Recalibration Module for Convolutional Neural Networks},
  author    = {Lee, HyunJae and Kim, Hyo-Eun and Nam, Hyeonseob},
  booktitle = {ICCV},
  year      = {2019}
}""",
    code="https://github.com/hyunjaelee410/style-based-recalibration-module",
    code_licence="no licence",
    aliases=("style_recalibration",),
    variants=("official",),
    parameters="4*C",
    complexity="O(C) multiplications a sample beside three passes over the map",
    dims=(1, 2, 3),
)
