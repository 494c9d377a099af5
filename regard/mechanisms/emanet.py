r"""Expectation-maximisation attention: the map, written again with a few bases found in it.

.. math::
   Z = \mathrm{softmax}_k(X \mu), \qquad
   \mu_k \leftarrow \frac{\sum_n z_{nk} x_n}{\sum_n z_{nk}}\Big/\text{its length}, \qquad
   y = \mathrm{relu}(x + \mathrm{BN}(W_2\,\mathrm{relu}(Z \mu^\top)))

with X = W₁x + b₁. The two steps are done ``stages`` times from bases that are no parameters but a
moving average over training; K bases stand for all pixels, so the map is of rank K.

Shapes: ``[B, C, *space]`` → the same. Cost: 2C² + 3C parameters and a buffer of CK numbers, about
(2C² + 2(T + 1)·KC)·HW multiplications a sample.

Paper and code differ in the gradient. The official code (default) finds bases and responsibilities
without a gradient, so that nothing reaches W₁, which stays as it was drawn; ``paper`` lets the
gradient through the stages, the bases before them excepted. The moving average, which the official
training loop keeps outside the module, is kept here in training mode. The code's rectifiers before
W₂ and at the end are not in the paper. ``start="identity"`` sets the BatchNorm's weight to zero and
leaves out the last rectifier, which would cut what is below zero.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

from ..cards import Card
from ..errors import RegardError
from ..ops import attend, expect
from ._core import owned
from ._gate import StartOption, check_size, check_start, check_variant, zero
from ._pixels import project, unproject

VARIANTS = ("official", "paper")


class ExpectationMaximisation(nn.Module):
    """Expectation-maximisation attention unit (Li et al., arXiv:1907.13426, eq. 10 to 14).

    Args:
        channels: C of the map.
        bases: K.
        stages: T, how often both steps are done.
        momentum: share of the old bases that a training step keeps; 1 keeps them for ever.
        variant: ``official`` or ``paper``, see the top of the file.
        start: ``paper``, or ``identity``, see the top of the file.
    """

    bases: Tensor

    def __init__(
        self,
        channels: int,
        bases: int = 64,
        stages: int = 3,
        *,
        momentum: float = 0.9,
        variant: str = "official",
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.stages = check_size(channels, "channels"), check_size(stages, "stages")
        if not 0 <= momentum <= 1:
            raise RegardError(f"momentum is {momentum!r}; it must be from 0 to 1")
        self.momentum = momentum
        self.through = check_variant(variant, VARIANTS) == "paper"
        drawn = torch.empty(1, channels, check_size(bases, "bases"), device=device, dtype=dtype)
        self.register_buffer("bases", _unit(drawn.normal_(0, math.sqrt(2 / bases))))
        self.reduce = nn.Conv2d(channels, channels, 1, device=device, dtype=dtype)
        self.expand = nn.Conv2d(channels, channels, 1, bias=False, device=device, dtype=dtype)
        self.norm = nn.BatchNorm2d(channels, momentum=3e-4, device=device, dtype=dtype)
        for layer in (self.reduce, self.expand):
            nn.init.normal_(layer.weight, std=math.sqrt(2 / channels))
        self.rectify = check_start(start) == "paper"
        if not self.rectify:
            zero(self.norm)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]`` plus itself written with the bases."""
        x = expect(x, 1, self.channels, "emanet")
        pixels = project(x, self.reduce)
        written, bases = self._stages(pixels if self.through else pixels.detach())
        if self.training:
            self._remember(bases.detach())
        out = x + unproject(torch.relu(written), x, self.expand, self.norm)
        return owned(torch.relu(out)) if self.rectify else out

    def _stages(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The pixels ``[B, N, C]`` written with their bases, and these, ``[B, C, K]``."""
        # Without a copy the moving average would write into what autograd keeps.
        bases = for_each(self.bases.clone(), pixels)
        before = bases
        for _ in range(self.stages):
            before = bases
            shares = (pixels @ before).softmax(2)
            shares = shares / (1e-6 + shares.sum(1, keepdim=True))
            bases = _unit(pixels.transpose(1, 2) @ shares)
        return attend(pixels, before.transpose(1, 2), bases.transpose(1, 2), "dot"), bases

    def _remember(self, bases: Tensor) -> None:
        """Move the bases the next batch begins with."""
        mean = bases.mean(0, keepdim=True).to(self.bases.dtype)
        self.bases.mul_(self.momentum).add_(mean, alpha=1 - self.momentum)


def for_each(bases: Tensor, pixels: Tensor) -> Tensor:
    """The bases ``[1, C, K]`` for every sample of the pixels, ``[B, C, K]``, a view."""
    if has_torch_function((bases, pixels)):  # torch.fx knows the batch, but no buffer
        return handle_torch_function(for_each, (bases, pixels), bases, pixels)
    return bases.expand(pixels.shape[0], -1, -1)


def _unit(bases: Tensor) -> Tensor:
    """Each basis over its length."""
    return bases / (1e-6 + bases.norm(dim=1, keepdim=True))


CARD = Card(
    name="emanet",
    title="Expectation-maximisation attention",
    module=ExpectationMaximisation,
    takes="map",
    family=("spatial",),
    start="residual",
    paper="arXiv:1907.13426",
    year=2019,
    authors="Xia Li, Zhisheng Zhong, Jianlong Wu, Yibo Yang, Zhouchen Lin, Hong Liu",
    bibtex="""@inproceedings{li2019expectation,
  title     = {Expectation-Maximization Attention Networks for Semantic Segmentation},
  author    = {Li, Xia and Zhong, Zhisheng and Wu, Jianlong and Yang, Yibo and Lin, Zhouchen
               and Liu, Hong},
  booktitle = {ICCV},
  year      = {2019}
}""",
    code="https://github.com/XiaLiPKU/EMANet",
    aliases=("em_attention", "emau"),
    variants=VARIANTS,
    parameters="2*C**2 + 3*C",
    complexity="O((C² + KC)·HW) multiplications a sample",
    place="stage",
    dims=(1, 2, 3),
    # With a moving average no two training steps are the same, as some rules compare them.
    options={"bases": 8, "momentum": 1.0},
    waives={
        "departure": "the official code lets no gradient reach its first convolution, ever",
        "gradcheck": "the official code stops the gradient before its bases and responsibilities",
        "gradients": "the official code lets no gradient reach its first convolution",
    },
)
