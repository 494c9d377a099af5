"""A convolutional encoder: every token by its neighbours."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import RegardError
from .tokens import TokenEmbedding, check_count, check_ids, check_share, real_tokens, silent


class ConvolutionalEncoder(nn.Module):
    """Convolutions with ReLU over token vectors: ids → a vector for each token.

    One layer with ``kernels=(3, 4, 5)``, ``hidden=300`` and a maximum over time is Kim 2014
    (arXiv:1408.5882) but for the ends of a text, where this sees zeros; one with ``kernels=(5,)``
    the window approach of Collobert et al. 2011 (arXiv:1103.0398).

    Args:
        vocabulary: number of tokens.
        dim: width of the tokens' vectors.
        hidden: width of every layer, shared by its kernels.
        layers: number of layers.
        kernels: lengths of the filters that every layer has side by side.
        dropout: share dropped in training, before every layer.
        pad: id of the padding.

    Raises:
        RegardError: for lengths that are no whole numbers, or do not divide ``hidden``.
    """

    def __init__(
        self,
        vocabulary: int,
        dim: int = 128,
        hidden: int = 128,
        layers: int = 2,
        *,
        kernels: tuple[int, ...] = (3,),
        dropout: float = 0.0,
        pad: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.kernels = tuple(check_count(kernel, "a kernel") for kernel in kernels)
        if not kernels or check_count(hidden, "hidden") % len(kernels):
            raise RegardError(
                f"hidden is {hidden} and there are {len(kernels)} kernels; they share it equally"
            )
        self.vocabulary, self.dim, self.pad = vocabulary, hidden, pad
        self.embedding = TokenEmbedding(vocabulary, dim, pad, device=device, dtype=dtype)
        self.dropout = nn.Dropout(check_share(dropout))
        share = hidden // len(kernels)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                nn.Conv1d(hidden if i else dim, share, kernel, device=device, dtype=dtype)
                for kernel in self.kernels
            )
            for i in range(check_count(layers, "layers"))
        )

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Ids ``[B, N]`` → ``[B, N, hidden]``, zeros at padding.

        ``mask [B, N]`` is boolean, True = real; by default it is so where an id is not ``pad``.
        """
        mask = real_tokens(check_ids(ids, self.vocabulary), mask, self.pad)
        x = silent(self.embedding(ids), mask)
        for layer in self.layers:
            x = silent(torch.relu(self._convolved(self.dropout(x), layer)), mask)
        return x

    def _convolved(self, x: Tensor, layer: nn.Module) -> Tensor:
        """``[B, N, D]`` → ``[B, N, hidden]``; an even kernel looks one token further ahead."""
        x = x.transpose(1, 2)
        found = [
            conv(F.pad(x, ((kernel - 1) // 2, kernel // 2)))
            for conv, kernel in zip(layer, self.kernels, strict=True)  # type: ignore[call-overload]
        ]
        return torch.cat(found, 1).transpose(1, 2)
