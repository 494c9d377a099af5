r"""External attention: pixels attend to two small memories that all samples share.

.. math::
   A = \mathrm{norm}(M_k F), \qquad F = W_1 x + b_1, \qquad
   y = \mathrm{relu}(x + \mathrm{BN}(W_2 M_v A))

norm is double: softmax over the pixels (for every unit), then each pixel's weights over the S units
are divided by their sum. ``external_multihead`` is the same for tokens and heads, which share the
memories: D → 4D, 4h heads, S units with biases, 4D → D; no residual, no BatchNorm.

Shapes: ``[B, C, *space]`` → the same; tokens ``[B, N, D]`` → the same. Cost: 2C² + 3C + 2CS
parameters and 2(C² + CS)·HW multiplications a sample; 8D² + 2SD/h + S + D(5 + 1/h) for tokens.

As in the official code, M_v begins as the transpose of M_k (there they even share memory until the
module is moved to a GPU; here they are two parameters), and 1e-9 is added to the sum.
``start="identity"`` of the map form leaves out the last rectifier, which would cut what is below
zero.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

from ..cards import Card
from ..errors import RegardError
from ..ops import expect
from ._core import owned
from ._gate import StartOption, adds_input, check_size, check_start, zero
from ._pixels import column
from .multihead import check_heads

Device = torch.device | str | None


class ExternalAttention(nn.Module):
    """External attention of EANet (Guo et al., arXiv:2105.02358, eq. 5 to 9).

    Args:
        channels: C of the map.
        units: S, entries of the memories.
        start: ``paper``, or ``identity``: the BatchNorm's weight zero, no rectifier at the end.
    """

    def __init__(
        self,
        channels: int,
        units: int = 64,
        *,
        start: StartOption = "paper",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        check_size(units, "units")
        self.reduce = nn.Conv2d(channels, channels, 1, device=device, dtype=dtype)
        self.key = nn.Conv1d(channels, units, 1, bias=False, device=device, dtype=dtype)
        self.value = nn.Conv1d(units, channels, 1, bias=False, device=device, dtype=dtype)
        self.expand = nn.Conv2d(channels, channels, 1, bias=False, device=device, dtype=dtype)
        self.norm = nn.BatchNorm2d(channels, momentum=3e-4, device=device, dtype=dtype)
        for layer in (self.reduce, self.value, self.expand):
            nn.init.normal_(layer.weight, std=math.sqrt(2 / channels))
        self.key.weight.data.copy_(self.value.weight.data.transpose(0, 1))
        self.rectify = check_start(start) == "paper"
        if not self.rectify:
            zero(self.norm)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]`` plus what its pixels find in the memories."""
        x = expect(x, 1, self.channels, "external")
        logits = self.key(self.reduce(column(x)).squeeze(3))
        found = self.value(double_norm(logits, over=2, units=1))
        out = x + self.norm(self.expand(found.unsqueeze(3))).reshape(x.shape)
        return owned(torch.relu(out)) if self.rectify else out


class ExternalMultiHead(nn.Module):
    """Multi-head external attention over tokens (arXiv:2105.02358, section 3.3).

    Args:
        dim: D, width of the tokens.
        heads: h; there are h·expansion heads of width D / h.
        expansion: of the width before the heads.
        units: S, entries of the memories.
        residual: add the input to the result; by default only at an identity start.
        start: ``paper``, or ``identity``: the last projection zero, the input added.
    """

    def __init__(
        self,
        dim: int,
        heads: int = 8,
        *,
        expansion: int = 4,
        units: int = 64,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.dim = check_size(dim, "dim")
        width = dim // check_heads(dim, heads)
        inner = dim * check_size(expansion, "expansion")
        self.heads = heads * expansion
        check_size(units, "units")
        self.reduce = nn.Linear(dim, inner, device=device, dtype=dtype)
        self.key = nn.Linear(width, units, device=device, dtype=dtype)
        self.value = nn.Linear(units, width, device=device, dtype=dtype)
        self.output = nn.Linear(inner, dim, device=device, dtype=dtype)
        self.residual = adds_input(start, residual)
        if check_start(start) == "identity":
            zero(self.output)

    def forward(self, query: Tensor, mask: Tensor | None = None) -> Tensor:
        """Tokens ``[B, N, D]`` → the same.

        ``mask [B, N]`` is boolean, True = real; a sample without a real token gives zeros.
        """
        query = expect(query, -1, self.dim, "external_multihead", axes=3)
        heads = self.reduce(query).unflatten(2, (self.heads, -1)).transpose(1, 2)
        logits = self.key(heads)
        if mask is not None:
            check_mask(mask, query)
            logits = logits.masked_fill(~mask[:, None, :, None], torch.finfo(logits.dtype).min)
        weights = double_norm(logits, over=2, units=3)
        if mask is not None:
            weights = weights.masked_fill(~mask.any(1)[:, None, None, None], 0.0)
        found = self.value(weights)
        out: Tensor = self.output(found.transpose(1, 2).flatten(2))
        if mask is not None:
            out = out.masked_fill(~mask.any(1)[:, None, None], 0.0)
        return query + out if self.residual else out


def double_norm(logits: Tensor, over: int, units: int) -> Tensor:
    """Softmax over the positions, on axis ``over``, then shares of the sum over the units."""
    if has_torch_function((logits,)):
        return handle_torch_function(double_norm, (logits,), logits, over, units)
    weights = logits.softmax(over)
    # In float16 1e-9 is zero, and so may be all the weights of one position.
    kind = torch.finfo(weights.dtype)
    least = max(1e-9, kind.tiny * kind.eps)
    return weights / (least + weights.sum(units, keepdim=True))


def check_mask(mask: Tensor, query: Tensor) -> None:
    """Refuse a mask that is not one truth for every token."""
    sizes = zip(mask.shape, query.shape, strict=False)
    if mask.dtype != torch.bool or mask.dim() != 2 or any(m not in (1, n) for m, n in sizes):
        raise RegardError(
            f"external attention takes a boolean mask [B, N], one truth a token; got {mask.dtype} "
            f"{tuple(mask.shape)} for tokens {tuple(query.shape)}: its tokens do not see each other"
        )


EXTERNAL_CARD = Card(
    name="external",
    title="External attention",
    module=ExternalAttention,
    takes="map",
    family=("spatial",),
    start="residual",
    paper="arXiv:2105.02358",
    year=2021,
    authors="Meng-Hao Guo, Zheng-Ning Liu, Tai-Jiang Mu, Shi-Min Hu",
    bibtex="""@article{guo2021external,
  title   = {Beyond Self-attention: External Attention using Two Linear Layers for Visual Tasks},
  author  = {Guo, Meng-Hao and Liu, Zheng-Ning and Mu, Tai-Jiang and Hu, Shi-Min},
  journal = {arXiv preprint arXiv:2105.02358},
  year    = {2021}
}""",
    code="https://github.com/MenghaoGuo/EANet",
    code_licence="no licence",
    aliases=("external_attention", "eanet", "ea"),
    variants=("official",),
    parameters="2*C**2 + 3*C + 2*C*units",
    complexity="O((C² + CS)·HW) multiplications a sample",
    place="stage",
    dims=(1, 2, 3),
    options={"units": 64},
)
CARDS = (
    EXTERNAL_CARD,
    replace(
        EXTERNAL_CARD,
        name="external_multihead",
        title="External attention, multi-head",
        module=ExternalMultiHead,
        takes="tokens",
        family=("tokens",),
        aliases=("eamha",),
        parameters="2*expansion*C**2 + expansion*C + C + 2*C//heads*units + units + C//heads",
        complexity="O((C² + CS)·N) multiplications a sample",
        options={"heads": 8, "expansion": 4, "units": 64},
    ),
)
