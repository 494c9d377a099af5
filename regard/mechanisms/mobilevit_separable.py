r"""Separable self-attention (MobileViTv2): all tokens attend once to one latent token.

.. math::
   c = \sum_j \mathrm{softmax}_j(x_j w_I)\, x_j W_K, \qquad
   y_i = (\mathrm{relu}(x_i W_V) \odot c)\, W_O

One score a token instead of one a pair: the context c is one vector for the whole sequence, and
every token takes from it what its own gate lets through.

Shapes: ``[B, Nq, D]`` and ``[B, Nk, D]`` → ``[B, Nq, D]``; or a map ``[B, D, *space]``, whose
pixels become tokens, → the same. Cost: 3D² + 4D + 1 parameters, 3N·D² multiplications.

With two sources the scores come from the key, what is summed from the value (by default the key),
and the gates from the query, as in the official code. That works on ``[B, D, P, N]``: the P places
within a patch are part of the batch here. w_I, W_K and W_V are one layer, in this order.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import attend, expect, from_tokens, to_tokens
from ._gate import StartOption, adds_input, check_size, check_start, zero


class SeparableSelfAttention(nn.Module):
    """Separable self-attention (Mehta and Rastegari, arXiv:2206.02680, eq. 2).

    Args:
        dim: D.
        bias: biases in both layers, as in the official networks.
        residual: add the queries' source to the result; by default only at an identity start.
        start: ``paper`` (default initialisation) or ``identity`` (W_O zero, residual).
    """

    def __init__(
        self,
        dim: int,
        *,
        bias: bool = True,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.dim = check_size(dim, "dim")
        self.project = nn.Linear(dim, 1 + 2 * dim, bias, device, dtype)
        self.output = nn.Linear(dim, dim, bias, device, dtype)
        if check_start(start) == "identity":
            zero(self.output)
        self.residual = adds_input(start, residual)

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Attention of ``query`` over ``key``, by default over itself.

        Args:
            query: tokens ``[B, Nq, D]``, or a map ``[B, D, *space]``.
            key: ``[B, Nk, D]``, by default the query; value: ``[B, Nk, D]``, by default the key.
            mask: boolean ``[B, Nk]``, True = may be attended; there is no score for a pair.

        Returns:
            The shape of ``query``; zeros where a sample has no key.
        """
        tokens = to_tokens(query)
        key = tokens if key is None else to_tokens(key)
        value = key if value is None else to_tokens(value)
        scores = self._part(expect(key, -1, self.dim, "mobilevit_separable (keys)"), 0, 1)
        summed = expect(value, -1, self.dim, "mobilevit_separable (values)")
        summed = self._part(summed, 1, self.dim + 1)
        context = attend(
            torch.ones_like(scores[:, :1]), scores, summed, "dot", mask=self._checked(mask)
        )
        gates = expect(tokens, -1, self.dim, "mobilevit_separable (queries)")
        out = self.output(torch.relu(self._part(gates, self.dim + 1, None)) * context)
        if mask is not None:
            out = out.masked_fill(~mask.any(1)[:, None, None], 0.0)
        projected = from_tokens(out, query)
        return query + projected if self.residual else projected

    def _part(self, x: Tensor, first: int, end: int | None) -> Tensor:
        """Some outputs of the first layer."""
        bias = self.project.bias
        return F.linear(
            x, self.project.weight[first:end], None if bias is None else bias[first:end]
        )

    def _checked(self, mask: Tensor | None) -> Tensor | None:
        if mask is not None and mask.dim() != 2:
            raise RegardError(
                f"mobilevit_separable has one score a key; its mask is [B, Nk], not "
                f"{list(mask.shape)}"
            )
        return mask


CARD = Card(
    name="mobilevit_separable",
    title="Separable self-attention",
    module=SeparableSelfAttention,
    takes="tokens",
    family=("tokens",),
    start="residual",
    paper="arXiv:2206.02680",
    year=2022,
    authors="Sachin Mehta, Mohammad Rastegari",
    bibtex="""@article{mehta2022separable,
  title   = {Separable Self-attention for Mobile Vision Transformers},
  author  = {Mehta, Sachin and Rastegari, Mohammad},
  journal = {arXiv preprint arXiv:2206.02680},
  year    = {2022}
}""",
    code="https://github.com/apple/ml-cvnets",
    code_licence="Apple sample code licence",
    aliases=("separable", "mobilevitv2"),
    variants=("official",),
    parameters="3*C**2 + 4*C + 1",
    complexity="O(N·D²) multiplications, O(N) memory",
    place="stage",
)
