r"""SimAM: a gate for every number of the map, from how far it lies from its channel's mean.

.. math:: y = x \cdot \sigma\left(\frac{(x - \mu)^2}{4(v + \lambda)} + \frac12\right), \qquad
          v = \frac{\sum_{hw} (x - \mu)^2}{HW - 1}

It is the closed form of an energy by which a neuron stands out from the others of its channel.

Shapes: ``[B, C, *space]`` → the same. Cost: no parameters, a few passes over the map.

The official module takes λ = 1e-4; the authors' ImageNet runs take 0.1. The paper's text has the
variance over HW, its listing and the official code over HW - 1, and so have we. The authors put it
behind the 3×3 convolution of a block, before its BatchNorm. A map of a single place has no
variance, and the official code's NaN is a gate of σ(½) here. No square is written down that float16
could not hold.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import expect, modulate, squeeze
from ._gate import check_size
from ._spread import at_least, deviation


class SimAM(nn.Module):
    """Simple, parameter-free attention (Yang et al., ICML 2021, eq. 5 and 6).

    Args:
        channels: C of the map; no parameter depends on it, and None takes any.
        regularization: λ.
    """

    def __init__(
        self,
        channels: int | None = None,
        regularization: float = 1e-4,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = None if channels is None else check_size(channels, "channels")
        if not regularization > 0:
            raise RegardError(f"regularization is {regularization}; simam needs one above zero")
        self.regularization = regularization

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]``, gated number by number."""
        x = expect(x, 1, self.channels, "simam")
        shift = x - squeeze(x, "space")[0]
        flat = shift.flatten(2)
        spread = at_least(deviation(flat), self.regularization**0.5)
        distance = (flat / (2 * spread)).reshape(x.shape)
        return modulate(x, torch.sigmoid(distance.square() + 0.5))


CARD = Card(
    name="simam",
    title="SimAM",
    module=SimAM,
    takes="map",
    family=("channel", "spatial"),
    start="none",
    paper="https://proceedings.mlr.press/v139/yang21o.html",
    year=2021,
    authors="Lingxiao Yang, Ru-Yuan Zhang, Lida Li, Xiaohua Xie",
    bibtex="""@inproceedings{yang2021simam,
  title     = {{SimAM}: A Simple, Parameter-Free Attention Module for Convolutional Neural
               Networks},
  author    = {Yang, Lingxiao and Zhang, Ru-Yuan and Li, Lida and Xie, Xiaohua},
  booktitle = {ICML},
  year      = {2021}
}""",
    code="https://github.com/ZjjConan/SimAM",
    code_licence="no licence",
    variants=("official",),
    parameters="0",
    complexity="a few passes over the map",
    dims=(1, 2, 3),
)
