r"""Double attention: gather the map into a few descriptors, then give each pixel those it needs.

.. math::
   G = A(x)\,\mathrm{softmax}_{pixels}(B(x))^\top, \qquad
   Z = G\,\mathrm{softmax}_{descriptors}(V(x)), \qquad y = x + W Z

with A a 1×1 convolution to m channels, B and V to n. Each column of G is one descriptor of the
whole map; a pixel's weights over the n descriptors sum to one.

Shapes: ``[B, C, *space]`` → the same. Cost with m = n = C/2: 2C² + 2.5C parameters, about
2.5C²·HW multiplications a sample: linear in the pixels.

There is no official code. B has no bias: softmax over the pixels would not see it. Many ports take
the second softmax over the pixels as well, or over the batch; the paper's is over the descriptors.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ..ops import attend, expect
from ._gate import StartOption, check_size, check_start, zero
from ._pixels import project, rows, tokens, unproject


class DoubleAttention(nn.Module):
    """Double attention block of A²-Nets (Chen et al., arXiv:1810.11579, eq. 3 to 6).

    Args:
        channels: C of the map.
        reduction: m is max(1, C // reduction), and n the same but at least 2: the softmax over one
            descriptor would be one everywhere, whatever the map shows.
        descriptors: n, if it is another number.
        start: ``paper``: default initialisation; ``identity``: the last convolution zero.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 2,
        *,
        descriptors: int | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        inner = max(1, channels // check_size(reduction, "reduction"))
        count = max(2, inner) if descriptors is None else check_size(descriptors, "descriptors")
        self.value = nn.Conv2d(channels, inner, 1, device=device, dtype=dtype)
        self.gather = nn.Conv2d(channels, count, 1, bias=False, device=device, dtype=dtype)
        self.distribute = nn.Conv2d(channels, count, 1, device=device, dtype=dtype)
        self.output = nn.Conv2d(inner, channels, 1, device=device, dtype=dtype)
        if check_start(start) == "identity":
            zero(self.output)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]`` plus what each pixel takes of the descriptors."""
        x = expect(x, 1, self.channels, "a2")
        pixels = tokens(x).unsqueeze(1)
        value = project(x, self.value).unsqueeze(1)
        descriptors = attend(rows(self.gather, x.shape[0]), pixels, value, "dot")
        bias = self.distribute.bias
        taken = attend(pixels, rows(self.distribute, x.shape[0]), descriptors, "dot", bias=bias)
        return x + unproject(taken.squeeze(1), x, self.output)


CARD = Card(
    name="a2",
    title="Double attention (A²-Net)",
    module=DoubleAttention,
    takes="map",
    family=("spatial",),
    start="residual",
    paper="arXiv:1810.11579",
    year=2018,
    authors="Yunpeng Chen, Yannis Kalantidis, Jianshu Li, Shuicheng Yan, Jiashi Feng",
    bibtex="""@inproceedings{chen2018a2nets,
  title     = {{$A^2$}-Nets: Double Attention Networks},
  author    = {Chen, Yunpeng and Kalantidis, Yannis and Li, Jianshu and Yan, Shuicheng
               and Feng, Jiashi},
  booktitle = {NeurIPS},
  year      = {2018}
}""",
    aliases=("double_attention", "a2_net"),
    parameters="(2*C + 1)*(max(1, C//reduction) + max(2, C//reduction)) + C",
    complexity="O(C²·HW) multiplications a sample",
    place="stage",
    dims=(1, 2, 3),
    options={"reduction": 2},
)
