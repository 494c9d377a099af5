r"""Attention-Free Transformer: a weighted mean of values for each feature by itself, then a gate.

.. math:: z_t = \sigma(q_t) \odot \frac{\sum_{t'} \exp(k_{t'} + w_{tt'}) \odot v_{t'}}
          {\sum_{t'} \exp(k_{t'} + w_{tt'})}

``aft_full`` learns a bias w for each pair of positions; ``aft_local`` only where \|t - t'\| < s, it
is zero elsewhere, where keys still count; ``aft_simple`` has w = 0. ``aft_conv`` has a file of its
own. Queries and keys are never multiplied with each other.

Shapes: ``[B, Nq, D]`` and ``[B, Nk, E]`` → ``[B, Nq, D]``, or a map ``[B, D, *space]``; a sequence
shorter than ``length`` uses the first rows and columns of w. Cost: 4D² + 4D parameters, and
length² with biases; N·D (simple) or 2N²·D multiplications beside the projections, O(N·D) memory.

There is no first-party code. Of each feature's keys the largest is subtracted before the
exponential, which cancels. Where every query may see other keys (``causal``, a mask for each pair)
that largest key may be one it cannot see, so the weights are made pair by pair: O(N²·D) memory. An
output projection and biases as in multi-head attention, which it replaces; w begins at N(0, 0.01²).
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

from ..cards import Card
from ..errors import RegardError
from ..ops.attention import allowed_pairs
from ._gate import StartOption, check_size
from ._heads import FullHeads
from ._means import means_by_pair, means_for_all


class AFTSimple(FullHeads):
    """AFT without position biases (Zhai et al., arXiv:2105.14103, section 3.2).

    Args:
        dim: D, width of the queries' source and of the output.
        source_dim: E, width of the keys' and values' source, by default D.
        bias: biases in the four projections.
        residual: add the queries' source to the result; by default only at an identity start.
        start: ``paper`` (Xavier) or ``identity`` (output projection zero, residual).
    """

    name: ClassVar[str] = "aft_simple"
    steps: ClassVar[bool] = False  # a bias knows its query by its place in the whole sequence

    def __init__(
        self,
        dim: int,
        *,
        source_dim: int | None = None,
        bias: bool = True,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            dim,
            1,
            source_dim=source_dim,
            bias=bias,
            residual=residual,
            start=start,
            device=device,
            dtype=dtype,
        )

    def position(self, query: Tensor, key: Tensor) -> Tensor | None:
        """w ``[Nq, Nk]``, or None for zeros."""
        return None

    def mix(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool
    ) -> Tensor:
        """The gate times the means; one head."""
        position = self.position(query, key)
        if causal or (mask is not None and mask.dim() > 2):
            means = means_by_pair(key, value, position, allowed_pairs(query, key, mask, causal))
        else:
            means = means_for_all(key, value, position, allowed_pairs(query, key, mask, False))
        return query.sigmoid() * means


class AFTFull(AFTSimple):
    """AFT with a bias for each pair of positions (Zhai et al., arXiv:2105.14103, eq. 2).

    Args:
        dim: D, width of the queries' source and of the output.
        length: the most queries and keys there may be.
        source_dim: E, width of the keys' and values' source, by default D.
        bias: biases in the four projections.
        residual: add the queries' source to the result; by default only at an identity start.
        start: ``paper`` (Xavier) or ``identity`` (output projection zero, residual).
    """

    name: ClassVar[str] = "aft_full"

    def __init__(
        self,
        dim: int,
        length: int = 256,
        *,
        source_dim: int | None = None,
        bias: bool = True,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            dim,
            source_dim=source_dim,
            bias=bias,
            residual=residual,
            start=start,
            device=device,
            dtype=dtype,
        )
        shape = (check_size(length, "length"), length)
        self.pairs = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        nn.init.normal_(self.pairs, std=0.01)

    def position(self, query: Tensor, key: Tensor) -> Tensor | None:
        """The first rows and columns of w."""
        return _corner(self.pairs, query, key)


class AFTLocal(AFTFull):
    """AFT with biases in a window (Zhai et al., arXiv:2105.14103, section 3.2).

    Args:
        dim: D, width of the queries' source and of the output.
        length: the most queries and keys there may be.
        window: s; w is learned where t and t' are fewer than s apart, the rest of it is not used.
        source_dim: E, width of the keys' and values' source, by default D.
        bias: biases in the four projections.
        residual: add the queries' source to the result; by default only at an identity start.
        start: ``paper`` (Xavier) or ``identity`` (output projection zero, residual).
    """

    name: ClassVar[str] = "aft_local"

    def __init__(
        self,
        dim: int,
        length: int = 256,
        window: int = 32,
        *,
        source_dim: int | None = None,
        bias: bool = True,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            dim,
            length,
            source_dim=source_dim,
            bias=bias,
            residual=residual,
            start=start,
            device=device,
            dtype=dtype,
        )
        self.window = check_size(window, "window")

    def position(self, query: Tensor, key: Tensor) -> Tensor | None:
        """w within the window and zeros beside it."""
        near = self.pairs.tril(self.window - 1).triu(1 - self.window)
        return _corner(near, query, key)


def _corner(pairs: Tensor, query: Tensor, key: Tensor) -> Tensor:
    """``[Nq, Nk]`` of ``[length, length]``."""
    if has_torch_function((pairs, query, key)):
        return handle_torch_function(_corner, (pairs, query, key), pairs, query, key)
    queries, keys = query.shape[-2], key.shape[-2]
    if queries > pairs.shape[0] or keys > pairs.shape[0]:
        raise RegardError(
            f"this module was built for at most {pairs.shape[0]} tokens; got {queries} queries "
            f"and {keys} keys. Build it with a length of that or more"
        )
    return pairs[:queries, :keys]


FULL_CARD = Card(
    name="aft_full",
    title="Attention-Free Transformer, full",
    module=AFTFull,
    takes="tokens",
    family=("tokens",),
    start="residual",
    paper="arXiv:2105.14103",
    year=2021,
    authors="Shuangfei Zhai, Walter Talbott, Nitish Srivastava, Chen Huang, Hanlin Goh, "
    "Ruixiang Zhang, Josh Susskind",
    bibtex="""@article{zhai2021attention,
  title   = {An Attention Free Transformer},
  author  = {Zhai, Shuangfei and Talbott, Walter and Srivastava, Nitish and Huang, Chen
             and Goh, Hanlin and Zhang, Ruixiang and Susskind, Josh},
  journal = {arXiv:2105.14103},
  year    = {2021}
}""",
    aliases=("aft",),
    parameters="4*C**2 + 4*C + length**2",
    complexity="O(N·D² + N²·D) multiplications, O(N·D) memory",
    place="stage",
    options={"length": 12},
    waives={"permutation": "its biases belong to positions"},
)
CARDS = (
    FULL_CARD,
    replace(
        FULL_CARD,
        name="aft_simple",
        title="Attention-Free Transformer, simple",
        module=AFTSimple,
        aliases=(),
        parameters="4*C**2 + 4*C",
        complexity="O(N·D²) multiplications, O(N·D) memory",
        options={},
        waives={},
    ),
    replace(
        FULL_CARD,
        name="aft_local",
        title="Attention-Free Transformer, local",
        module=AFTLocal,
        aliases=(),
        options={"length": 12, "window": 3},
    ),
)
