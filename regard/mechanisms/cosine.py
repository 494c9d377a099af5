r"""Cosine attention: the angle between query and key, times a learned inverse temperature.

.. math:: z = \mathrm{softmax}\left(e^{\min(s, \ln 100)} \cos(q, K)\right) V

Shapes: queries ``[B, Nq, d]``, keys ``[B, Nk, d]``, values ``[B, Nk, dv]`` → ``[B, Nq, dv]``, or
with heads. Cost: one parameter a head, Nq·Nk·(d + dv) multiplications. s starts at ln 10; the clamp
keeps the temperature at 0.01 or more. The position bias of Swin v2 is not part of it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..cards import Card
from ._core import Core
from ._gate import check_size


class CosineAttention(Core):
    """Cosine attention (Liu et al., Swin Transformer V2, arXiv:2111.09883, eq. 2).

    Args:
        dim: width of queries and keys, checked if given.
        heads: number of temperatures; with more than one, inputs are ``[B, h, N, d]``.
    """

    score = "cosine"

    def __init__(
        self,
        dim: int | None = None,
        *,
        heads: int = 1,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(dim)
        start = torch.full((check_size(heads, "heads"), 1, 1), math.log(10.0))
        self.log_scale = nn.Parameter(start.to(device=device, dtype=dtype))

    def learned(self) -> tuple[Tensor, ...]:
        """The logarithm of the scale, ``[h, 1, 1]``."""
        return (self.log_scale,)


CARD = Card(
    name="cosine",
    title="Cosine attention",
    module=CosineAttention,
    takes="tokens",
    family=("tokens",),
    start="none",
    paper="arXiv:2111.09883",
    year=2022,
    authors="Ze Liu, Han Hu, Yutong Lin, Zhuliang Yao, Zhenda Xie, Yixuan Wei, Jia Ning, Yue Cao, "
    "Zheng Zhang, Li Dong, Furu Wei, Baining Guo",
    bibtex="""@inproceedings{liu2022swinv2,
  title     = {Swin Transformer V2: Scaling Up Capacity and Resolution},
  author    = {Liu, Ze and Hu, Han and Lin, Yutong and Yao, Zhuliang and Xie, Zhenda and Wei, Yixuan
               and Ning, Jia and Cao, Yue and Zhang, Zheng and Dong, Li and Wei, Furu
               and Guo, Baining},
  booktitle = {CVPR},
  year      = {2022}
}""",
    code="https://github.com/microsoft/Swin-Transformer",
    code_licence="MIT",
    parameters="heads",
    complexity="O(Nq·Nk·d) multiplications, O(N) memory when fused",
    place="stage",
    options={"heads": 1},
)
