r"""Latent pooling: a learned query attends over all tokens and makes one vector of them.

.. math::
   H = S W_q + \mathrm{concat}_h\,\mathrm{softmax}\!\left(\tfrac{S W_q (X W_k)^\top}{\sqrt D}\right)
       X W_v, \qquad
   y = H + \mathrm{relu}(H W_o + b_o)

The definition is the Set Transformer's PMA: k seeds S, one by default. The order of the tokens does
not count. The logits are divided by √D, the whole width, not by that of a head.

Shapes: tokens ``[B, N, D]``, or a map ``[B, D, *space]`` whose pixels are tokens, → ``[B, D]``, or
``[B, k, D]`` for k > 1 latents. A sample whose tokens are all padding gives zeros. Cost: 4D² + 4D +
kD parameters, 2N·D² + 2kN·D multiplications.

Paper and code differ. ``official`` (default) is the above; with ``norm=True`` a LayerNorm follows
H and y. ``paper``: the tokens first go through a row-wise layer, the heads through W^O, what is
added to them is S itself, and both LayerNorms are there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import attend, expect, to_tokens
from ._gate import check_size, check_variant
from .multihead import check_heads

VARIANTS = ("official", "paper")


class LatentPooling(nn.Module):
    """Pooling by multi-head attention (Lee et al., arXiv:1810.00825, eq. 6, 7 and 11).

    Args:
        dim: D, width of the tokens.
        heads: h; D must be divisible by it.
        latents: k, number of vectors to make; one by default.
        norm: LayerNorm behind both sums; by default in the variant ``paper`` only.
        variant: ``official`` or ``paper``, see the top of the file.
    """

    def __init__(
        self,
        dim: int,
        heads: int = 4,
        latents: int = 1,
        *,
        norm: bool | None = None,
        variant: str = "official",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.dim, self.heads = check_size(dim, "dim"), check_heads(dim, heads)
        self.paper = check_variant(variant, VARIANTS) == "paper"
        self.count = check_size(latents, "latents")
        self.latents = nn.Parameter(torch.empty(1, latents, dim, device=device, dtype=dtype))
        nn.init.xavier_uniform_(self.latents)

        def linear() -> nn.Linear:
            return nn.Linear(dim, dim, device=device, dtype=dtype)

        self.query, self.key, self.value, self.feed = (linear() for _ in range(4))
        self.before: nn.Linear | None = linear() if self.paper else None
        self.output: nn.Linear | None = linear() if self.paper else None
        self.norms: nn.ModuleList | None = None
        if self.paper if norm is None else norm:
            made = (nn.LayerNorm(dim, device=device, dtype=dtype) for _ in range(2))
            self.norms = nn.ModuleList(made)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The vectors of all samples.

        Args:
            x: tokens ``[B, N, D]`` or a map ``[B, D, *space]``.
            mask: boolean ``[B, N]``, True = a real token.

        Returns:
            ``[B, D]``, or ``[B, k, D]`` for more than one latent.
        """
        tokens = expect(to_tokens(x), -1, self.dim, "latent_pooling")
        seeds = self.latents.expand(tokens.shape[0], -1, -1)
        query = self.query(seeds)
        found = self._attended(query, tokens, check_mask(mask))
        pooled = seeds + self.output(found) if self.output is not None else query + found
        pooled = self._normed(pooled, 0)
        pooled = self._normed(pooled + torch.relu(self.feed(pooled)), 1)
        if mask is not None:
            pooled = pooled.masked_fill(~mask.any(1)[:, None, None], 0.0)
        return pooled.squeeze(1) if self.count == 1 else pooled

    def _attended(self, query: Tensor, tokens: Tensor, mask: Tensor | None) -> Tensor:
        if self.before is not None:
            tokens = torch.relu(self.before(tokens))
        query, key, value = (
            y.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for y in (query * self.dim**-0.5, self.key(tokens), self.value(tokens))
        )
        return attend(query, key, value, "dot", mask=mask).transpose(1, 2).flatten(2)

    def _normed(self, x: Tensor, which: int) -> Tensor:
        return x if self.norms is None else self.norms[which](x)


def check_mask(mask: Tensor | None) -> Tensor | None:
    """A mask of tokens: with latents as queries there are no pairs to speak of."""
    if mask is not None and mask.dim() != 2:
        raise RegardError(
            f"latent_pooling takes a mask [B, N], True = a real token; got {tuple(mask.shape)}"
        )
    return mask


CARD = Card(
    name="latent_pooling",
    title="Latent pooling (pooling by multi-head attention)",
    module=LatentPooling,
    takes="pooled",
    family=("tokens",),
    start="none",
    paper="arXiv:1810.00825",
    year=2019,
    authors="Juho Lee, Yoonho Lee, Jungtaek Kim, Adam R. Kosiorek, Seungjin Choi, Yee Whye Teh",
    bibtex="""@inproceedings{lee2019set,
  title     = {Set Transformer: A Framework for Attention-based Permutation-Invariant Neural
               Networks},
  author    = {Lee, Juho and Lee, Yoonho and Kim, Jungtaek and Kosiorek, Adam R. and
               Choi, Seungjin and Teh, Yee Whye},
  booktitle = {ICML},
  year      = {2019}
}""",
    code="https://github.com/juho-lee/set_transformer",
    code_licence="MIT",
    aliases=("pma", "attention_pooling"),
    variants=VARIANTS,
    parameters="4*C**2 + 4*C + latents*C",
    complexity="O(N·D²) multiplications, O(N·D) memory",
    place="stage",
    options={"heads": 4, "latents": 1},
)
