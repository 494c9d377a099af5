r"""Linear attention: positive features instead of the softmax, so that keys are summed only once.

.. math:: z_i = \frac{\phi(q_i)^\top \sum_j \phi(k_j)\, v_j^\top}
          {\phi(q_i)^\top \sum_j \phi(k_j) + \epsilon}, \qquad \phi(x) = \mathrm{elu}(x) + 1

With ``causal=True`` the sums run over j ≤ i: a recurrent network with the sums as its state.

Shapes: ``[B, Nq, D]`` and ``[B, Nk, E]`` → ``[B, Nq, D]``, or a map ``[B, D, *space]``. Cost:
4D² + 4D parameters, 4N·D² + 2N·D²/h multiplications: linear in N. Causal sums are taken in blocks
of 64 tokens, as matrix products, which are deterministic in backward where ``cumsum`` is not.

No score of each query and key is made: a mask is ``[B, Nk]``. Biases and ε = 1e-6 as in the
authors' code. In half precision the sums are made in float32.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ..cards import Card
from ..errors import RegardError
from ._gate import StartOption
from ._heads import FullHeads, key_mask, widened

BLOCK = 64


class LinearAttention(FullHeads):
    """Linear attention (Katharopoulos et al., arXiv:2006.16236, eq. 5 and 9).

    Args:
        dim: D, width of the queries' source and of the output.
        heads: h; D must be divisible by it.
        source_dim: E, width of the keys' and values' source, by default D.
        bias: biases in the four projections.
        eps: added to the denominator.
        residual: add the queries' source to the result; by default only at an identity start.
        start: ``paper`` or ``identity`` (output projection zero, residual).
    """

    name: ClassVar[str] = "linear"
    gain: ClassVar[float | None] = None

    def __init__(
        self,
        dim: int,
        heads: int = 8,
        *,
        source_dim: int | None = None,
        bias: bool = True,
        eps: float = 1e-6,
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
        self.eps = eps

    def mix(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool
    ) -> Tensor:
        """Sums over keys of features times values, read by the features of each query."""
        # Heads lie apart in memory; compiled, the backward of elu cannot take that.
        q, k = (F.elu(widened(x).contiguous()) + 1 for x in (query, key))
        real = key_mask(mask, key, self.name)
        if real is not None:
            k = k * real.unsqueeze(-1)
        v = widened(value)
        ones = torch.ones_like(v[..., :1])
        # The same sums of ones are the denominators.
        sums, total = ((_past_sums if causal else _sums)(q, k, x) for x in (v, ones))
        return (sums / (total + self.eps)).to(value.dtype)


def _sums(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """For each i the sum over all j of (q_i · k_j) v_j."""
    return q @ (k.transpose(-2, -1) @ v)


def _past_sums(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """For each i the sum over j ≤ i of (q_i · k_j) v_j."""
    tokens = q.shape[-2]
    if k.shape[-2] != tokens:
        raise RegardError(
            f"causal linear attention runs along one sequence; got {tokens} queries and "
            f"{k.shape[-2]} keys"
        )
    q, k, v = (F.pad(x, (0, 0, 0, -tokens % BLOCK)).unflatten(-2, (-1, BLOCK)) for x in (q, k, v))
    inside = (q @ k.transpose(-2, -1)).tril() @ v
    states = k.transpose(-2, -1) @ v  # [B, h, blocks, d, dv]
    blocks = states.shape[2]
    before = torch.ones(blocks, blocks, dtype=q.dtype, device=q.device).tril(-1)
    past = (before @ states.flatten(-2)).unflatten(-1, states.shape[-2:])
    return (inside + q @ past).flatten(-3, -2)[..., :tokens, :]


CARD = Card(
    name="linear",
    title="Linear attention",
    module=LinearAttention,
    takes="tokens",
    family=("tokens",),
    start="residual",
    paper="arXiv:2006.16236",
    year=2020,
    authors="Angelos Katharopoulos, Apoorv Vyas, Nikolaos Pappas, François Fleuret",
    bibtex="""@inproceedings{katharopoulos2020transformers,
  title     = {Transformers are {RNN}s: Fast Autoregressive Transformers with Linear Attention},
  author    = {Katharopoulos, Angelos and Vyas, Apoorv and Pappas, Nikolaos
               and Fleuret, Fran{\\c{c}}ois},
  booktitle = {ICML},
  year      = {2020}
}""",
    code="https://github.com/idiap/fast-transformers",
    code_licence="MIT",
    aliases=("linear_attention", "linear_transformer"),
    parameters="4*C**2 + 4*C",
    complexity="O(N·D² + N·D²/h) multiplications, O(N) memory",
    place="stage",
    options={"heads": 8},
)
