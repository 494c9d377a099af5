r"""Linformer: keys and values are projected along the sequence, to k of them whatever its length.

.. math:: \mathrm{head}_i = \mathrm{softmax}\left(\frac{Q_i (E K)_i^\top}{\sqrt d}\right) (F V)_i,
          \qquad E, F \in \mathbb{R}^{k \times n}

Shapes: ``[B, Nq, D]`` and ``[B, Nk, E]`` → ``[B, Nq, D]``, or a map ``[B, D, *space]``, with at
most ``length`` keys. Cost: 4D² + 4D + 2·k·length parameters, 4N·D² + 4N·k·D multiplications:
linear in N.

A sequence shorter than ``length`` uses the first columns of E and F, as in the authors' code
(fairseq's example). That code compresses the source before the projections of keys and values,
which are then made for k tokens only; so does this, and with it the projections' biases come after
E and F. Keys under a mask ``[B, Nk]`` are taken as zeros by E and F. There is no causal form: each
of the k keys has seen the whole sequence.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

from ..cards import Card
from ..errors import RegardError
from ..ops import attend, expect, from_tokens, to_tokens
from ._gate import StartOption, check_size
from ._heads import Heads, key_mask, matched, silenced


class Linformer(Heads):
    """Linformer's attention (Wang et al., arXiv:2006.04768, eq. 7).

    Args:
        dim: D, width of the queries' source and of the output.
        heads: h; D must be divisible by it.
        length: n, the most keys there may be.
        rank: k, how many keys and values are left; the heads share E and F.
        source_dim: E, width of the keys' and values' source, by default D.
        bias: biases in the four projections.
        residual: add the queries' source to the result; by default only at an identity start.
        start: ``paper`` (fairseq's) or ``identity`` (output projection zero, residual).
    """

    name: ClassVar[str] = "linformer"
    gain: ClassVar[float | None] = 1 / math.sqrt(2)

    def __init__(
        self,
        dim: int,
        heads: int = 8,
        *,
        length: int = 512,
        rank: int = 128,
        source_dim: int | None = None,
        bias: bool = True,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            dim,
            heads,
            source_dim=source_dim,
            bias=bias,
            residual=residual,
            start=start,
            device=device,
            dtype=dtype,
        )
        self.rank = rank
        shape = (check_size(length, "length"), check_size(rank, "rank"), False, device, dtype)
        self.compress_key, self.compress_value = nn.Linear(*shape), nn.Linear(*shape)
        for layer in (self.compress_key, self.compress_value):
            nn.init.xavier_uniform_(layer.weight, self.gain or 1.0)
        if bias:
            nn.init.zeros_(self.output.bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Attention of ``query`` over ``key``, by default over itself.

        Args:
            query: tokens ``[B, Nq, D]``, or a map ``[B, D, *space]`` attending over its pixels.
            key: ``[B, Nk, E]``, by default the query; value: ``[B, Nk, E]``, by default the key.
            mask: boolean ``[B, Nk]``, True = may be attended.

        Returns:
            The shape of ``query``; zeros in a sample without any key.
        """
        tokens = to_tokens(query)
        key = tokens if key is None else to_tokens(key)
        value = key if value is None else to_tokens(value)
        key = expect(key, -1, self.source_dim, "linformer (keys)")
        value = expect(value, -1, self.source_dim, "linformer (values)")
        value, real = matched(tokens, key, value, self.name), key_mask(mask, key, self.name)
        q = self.split(self.query(expect(tokens, -1, self.dim, "linformer (queries)")))
        k = self.split(self.key(_compressed(_real(key, real), self.compress_key.weight)))
        v = self.split(self.value(_compressed(_real(value, real), self.compress_value.weight)))
        # The k keys have seen all others: a sample has all of them, or none.
        some = None if real is None else real[:, 0].any(1, keepdim=True).expand(-1, self.rank)
        out = self.output(attend(q, k, v, mask=some).transpose(1, 2).flatten(2))
        out = silenced(out, real)
        projected = from_tokens(out, query)
        return query + projected if self.residual else projected


def _real(x: Tensor, real: Tensor | None) -> Tensor:
    """``x [B, N, E]`` with zeros where a key may not be attended."""
    return x if real is None else x.masked_fill(~real.transpose(1, 2), 0.0)


def _compressed(x: Tensor, weight: Tensor) -> Tensor:
    """``[B, N, E]`` → ``[B, k, E]`` by the first N columns of ``weight [k, n]``."""
    if has_torch_function((x, weight)):
        return handle_torch_function(_compressed, (x, weight), x, weight)
    if x.shape[1] > weight.shape[1]:
        raise RegardError(
            f"this linformer was built for at most {weight.shape[1]} keys; got {x.shape[1]}. "
            f"Build it with length={x.shape[1]} or more"
        )
    return weight[:, : x.shape[1]] @ x


CARD = Card(
    name="linformer",
    title="Linformer",
    module=Linformer,
    takes="tokens",
    family=("tokens",),
    start="residual",
    paper="arXiv:2006.04768",
    year=2020,
    authors="Sinong Wang, Belinda Z. Li, Madian Khabsa, Han Fang, Hao Ma",
    bibtex="""@article{wang2020linformer,
  title   = {Linformer: Self-Attention with Linear Complexity},
  author  = {Wang, Sinong and Li, Belinda Z. and Khabsa, Madian and Fang, Han and Ma, Hao},
  journal = {arXiv:2006.04768},
  year    = {2020}
}""",
    code="https://github.com/facebookresearch/fairseq",
    code_licence="MIT",
    parameters="4*C**2 + 4*C + 2*length*rank",
    complexity="O(N·D² + N·k·D) multiplications, O(N·k) memory",
    place="stage",
    options={"heads": 8, "length": 32, "rank": 4},
    waives={"permutation": "the projections along the sequence are one weight for each position"},
)
