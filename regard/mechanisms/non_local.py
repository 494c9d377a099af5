r"""Non-local block: every pixel becomes itself plus a weighted sum over all pixels.

.. math:: z_i = W_z\,\frac{1}{\mathcal{C}(x)} \sum_j f(x_i, x_j)\, g(x_j) + x_i

Four pairwise functions f, with θ, φ and g 1×1 convolutions to C/2 channels:

=================== ============================================ ==============
``gaussian``        exp(x_i · x_j)                               softmax over j
``embedded``        exp(θ(x_i) · φ(x_j))                         softmax over j
``dot``             θ(x_i) · φ(x_j)                              divided by N
``concatenation``   relu(w · [θ(x_i), φ(x_j)])                   divided by N
=================== ============================================ ==============

Shapes: ``[B, C, *space]`` → the same. Cost with i = C/2: 3(Ci + i) + iC + C + 2C parameters,
2·HW·HW'·i multiplications a sample, where the keys' HW' is a quarter of HW.

Both: biases, weights of standard deviation 0.01, a BatchNorm after W_z whose zero weight makes the
block the identity at the start, and max pooling by 2 before φ and g (in height and width, not in
time; ``subsample=False`` leaves it out; an axis of one pixel is left alone). Paper and code differ
in one thing: ``official`` (default) divides the embedded logits by √i, ``paper`` does not. The
official code has ``embedded`` and ``dot``; the other two follow the paper, logits unscaled.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

from ..cards import Card
from ..errors import RegardError, nearest
from ..ops import attend, expect
from ._gate import StartOption, check_size, check_start, check_variant, zero
from ._pixels import project, tokens, unproject

VARIANTS = ("official", "paper")
Pairwise = Literal["embedded", "gaussian", "dot", "concatenation"]


class NonLocal(nn.Module):
    """Non-local block (Wang et al., arXiv:1711.07971, eq. 1 to 6).

    Args:
        channels: C of the map.
        reduction: θ, φ and g have max(1, C // reduction) channels.
        pairwise: ``embedded``, ``gaussian``, ``dot`` or ``concatenation``.
        subsample: max pooling by 2 before φ and g.
        variant: ``official`` or ``paper``, see the top of the file.
        start: both ``paper`` and ``identity`` begin as the identity.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 2,
        *,
        pairwise: Pairwise = "embedded",
        subsample: bool = True,
        variant: str = "official",
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if pairwise not in get_args(Pairwise):
            raise RegardError(
                f"no pairwise function is called {pairwise!r}"
                f"{nearest(pairwise, get_args(Pairwise))}"
            )
        self.channels = check_size(channels, "channels")
        inner = max(1, channels // check_size(reduction, "reduction"))
        self.pairwise, self.subsample = pairwise, subsample
        self.scaled = check_variant(variant, VARIANTS) == "official" and pairwise == "embedded"
        check_start(start)
        if pairwise != "gaussian":
            self.query = nn.Conv2d(channels, inner, 1, device=device, dtype=dtype)
            self.key = nn.Conv2d(channels, inner, 1, device=device, dtype=dtype)
        self.value = nn.Conv2d(channels, inner, 1, device=device, dtype=dtype)
        if pairwise == "concatenation":
            self.pair = nn.Conv2d(2 * inner, 1, 1, bias=False, device=device, dtype=dtype)
        self.output = nn.Conv2d(inner, channels, 1, device=device, dtype=dtype)
        self.norm = nn.BatchNorm2d(channels, device=device, dtype=dtype)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        zero(self.norm)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, *space]`` plus what each pixel gathers from all."""
        x = expect(x, 1, self.channels, "non_local")
        source = halved(x) if self.subsample else x
        gathered = self._gather(x, source, project(source, self.value))
        return x + unproject(gathered, x, self.output, self.norm)

    def _gather(self, x: Tensor, source: Tensor, value: Tensor) -> Tensor:
        """The weighted sums ``[B, N, i]`` for pixels of ``x`` over pixels of ``source``."""
        if self.pairwise == "gaussian":
            return attend(tokens(x), tokens(source), value, "dot")
        query, key = project(x, self.query), project(source, self.key)
        if self.pairwise == "embedded":
            return attend(query, key, value, "scaled_dot" if self.scaled else "dot")
        value = value / source.flatten(2).shape[2]
        if self.pairwise == "dot":
            return query @ (key.transpose(1, 2) @ value)
        of_query, of_key = self.pair.weight.flatten().chunk(2)
        logits = (query @ of_query).unsqueeze(2) + (key @ of_key).unsqueeze(1)
        return torch.relu(logits) @ value


def halved(x: Tensor) -> Tensor:
    """Max pooling by 2 of the last two axes of space; an axis of one pixel is left alone."""
    if has_torch_function((x,)):
        return handle_torch_function(halved, (x,), x)
    kernel = [min(2, n) for n in x.shape[2:][-2:]]
    if x.dim() == 3:
        return F.max_pool1d(x, kernel)
    if x.dim() == 4:
        return F.max_pool2d(x, kernel)
    # Frame by frame: the pooling of volumes has no deterministic backward on a GPU.
    frames = F.max_pool2d(x.transpose(1, 2).flatten(0, 1), kernel)
    return frames.unflatten(0, (-1, x.shape[2])).transpose(1, 2)


CARD = Card(
    name="non_local",
    title="Non-local block",
    module=NonLocal,
    takes="map",
    family=("spatial",),
    start="residual",
    paper="arXiv:1711.07971",
    year=2018,
    authors="Xiaolong Wang, Ross Girshick, Abhinav Gupta, Kaiming He",
    bibtex="""@inproceedings{wang2018nonlocal,
  title     = {Non-local Neural Networks},
  author    = {Wang, Xiaolong and Girshick, Ross and Gupta, Abhinav and He, Kaiming},
  booktitle = {CVPR},
  year      = {2018}
}""",
    code="https://github.com/facebookresearch/video-nonlocal-net",
    code_licence="CC-BY-NC-4.0",
    aliases=("nl", "nonlocal"),
    variants=VARIANTS,
    parameters="4*C*max(1, C//reduction) + 3*max(1, C//reduction) + 3*C",
    complexity="O(C²·HW + C·(HW)²/4) multiplications a sample, O(C·HW) memory when fused",
    place="stage",
    dims=(1, 2, 3),
    options={"reduction": 2},
)
