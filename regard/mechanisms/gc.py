r"""Global context block: one look at the whole map, the same for every pixel, added to it.

.. math::
   c = \sum_j \mathrm{softmax}_j(w_k \cdot x_j)\, x_j, \qquad
   y = x + W_{v2}\,\mathrm{relu}(\mathrm{LN}(W_{v1}\, c))

A non-local block whose weights do not depend on the query, times the bottleneck of an SE block.

Shapes: ``[B, C, *space]`` → the same. Cost with p = C/r: 2Cp + 2C + 3p + 1 parameters, about
2C·HW multiplications a sample.

As in the official code: biases everywhere, the last layer zero, so that ``add`` (default) begins as
the identity. The code's other fusion, ``scale``, multiplies by σ of the same transform instead, and
``both`` does one after the other, each with a transform of its own. Where C < 2r the hidden layer
keeps two units: LayerNorm of a single one is a constant, with which the block sees nothing.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError, nearest
from ..ops import attend, expect, modulate
from ._gate import Sigmoid, StartOption, check_size, zero
from ._pixels import tokens

Fusion = Literal["add", "scale", "both"]


class GlobalContext(nn.Module):
    """Global context block (Cao et al., arXiv:1904.11492, eq. 6).

    Args:
        channels: C of the map.
        reduction: r; the hidden layer has max(2, C // r) units.
        fusion: ``add``, ``scale`` or ``both``.
        start: ``add`` begins as the identity either way; with ``identity`` the factor of the others
            is 2σ, so that they do too.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        *,
        fusion: Fusion = "add",
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if fusion not in get_args(Fusion):
            raise RegardError(f"no fusion is called {fusion!r}{nearest(fusion, get_args(Fusion))}")
        self.channels = check_size(channels, "channels")
        hidden = max(2, channels // check_size(reduction, "reduction"))
        self.mask = nn.Conv2d(channels, 1, 1, device=device, dtype=dtype)
        zero(self.mask)
        nn.init.kaiming_normal_(self.mask.weight, mode="fan_in", nonlinearity="relu")
        self.sigmoid = Sigmoid(start)
        self.add = self.scale = None
        if fusion != "scale":
            self.add = _transform(channels, hidden, device, dtype)
        if fusion != "add":
            self.scale = _transform(channels, hidden, device, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]`` and its context."""
        x = expect(x, 1, self.channels, "gc")
        context = self.context(x)
        out = x
        if self.scale is not None:
            out = modulate(x, self.sigmoid(self.scale(context)).flatten(1))
        if self.add is not None:
            out = (out.flatten(2) + self.add(context).flatten(2)).reshape(x.shape)
        return out

    def context(self, x: Tensor) -> Tensor:
        """The weighted mean of all pixels, ``[B, C, 1, 1]``."""
        pixels = tokens(x)
        query = self.mask.weight.flatten(1).expand(x.shape[0], 1, -1)
        bias = self.mask.bias  # the same for every pixel: softmax does not see it
        return attend(query, pixels, pixels, "dot", bias=bias).transpose(1, 2).unsqueeze(3)


def _transform(
    channels: int, hidden: int, device: torch.device | str | None, dtype: torch.dtype | None
) -> nn.Sequential:
    """Bottleneck with a LayerNorm over the hidden units, its last layer zero."""
    layers = nn.Sequential(
        nn.Conv2d(channels, hidden, 1, device=device, dtype=dtype),
        nn.LayerNorm([hidden, 1, 1], device=device, dtype=dtype),
        nn.ReLU(),
        nn.Conv2d(hidden, channels, 1, device=device, dtype=dtype),
    )
    zero(layers[-1])
    return layers


CARD = Card(
    name="gc",
    title="Global context block",
    module=GlobalContext,
    takes="map",
    family=("channel", "spatial"),
    start="residual",
    paper="arXiv:1904.11492",
    year=2019,
    authors="Yue Cao, Jiarui Xu, Stephen Lin, Fangyun Wei, Han Hu",
    bibtex="""@inproceedings{cao2019gcnet,
  title     = {{GCNet}: Non-Local Networks Meet Squeeze-Excitation Networks and Beyond},
  author    = {Cao, Yue and Xu, Jiarui and Lin, Stephen and Wei, Fangyun and Hu, Han},
  booktitle = {ICCV Workshops},
  year      = {2019}
}""",
    code="https://github.com/xvjiarui/GCNet",
    code_licence="Apache-2.0",
    aliases=("global_context", "gcnet", "gc_block"),
    variants=("official",),
    parameters="2*C*max(2, C//reduction) + 3*max(2, C//reduction) + 2*C + 1",
    complexity="O(C·HW + C²/r) multiplications a sample",
    place="branch",
    dims=(1, 2, 3),
    options={"reduction": 16},
)
