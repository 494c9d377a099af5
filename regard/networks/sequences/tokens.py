"""Token ids: what is real among them, what is not in the vocabulary, and their vectors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import RegardError


class TokenEmbedding(nn.Module):
    """A vector for each token of a vocabulary; that of padding is zero and stays so.

    Args:
        vocabulary: number of tokens.
        dim: D, width of the vectors.
        pad: id of the padding.
        scaled: vectors begin at N(0, 1/D) and are multiplied by √D, as the Transformer's
            (arXiv:1706.03762, section 3.4); else they begin at N(0, 1), as PyTorch's.
    """

    def __init__(
        self,
        vocabulary: int,
        dim: int,
        pad: int = 0,
        *,
        scaled: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.vocabulary = check_count(vocabulary, "vocabulary")
        self.dim = check_count(dim, "dim")
        self.pad = check_id(pad, vocabulary, "pad")
        self.scale = dim**0.5 if scaled else 1.0
        self.weight = nn.Parameter(torch.empty(vocabulary, dim, device=device, dtype=dtype))
        nn.init.normal_(self.weight, std=1 / self.scale)
        with torch.no_grad():
            self.weight[pad].zero_()

    def forward(self, ids: Tensor) -> Tensor:
        """Ids ``[B, N]`` → ``[B, N, D]``."""
        found = F.embedding(ids, self.weight, self.pad)
        return found if self.scale == 1 else found * self.scale

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"{self.vocabulary}, {self.dim}, pad={self.pad}"


def check_ids(ids: Tensor, vocabulary: int, what: str = "ids") -> Tensor:
    """Ids ``[B, N]`` themselves, if they are such; their range is looked at on the CPU only.

    Raises:
        RegardError: for another shape or dtype, nothing at all, or an id outside the vocabulary.
    """
    if ids.dim() != 2 or ids.dtype not in (torch.int64, torch.int32) or 0 in ids.shape:
        raise RegardError(
            f"{what} are whole numbers [B, N], at least one sequence of at least one token; got "
            f"{ids.dtype} {list(ids.shape)}"
        )
    if ids.device.type == "cpu" and not torch.compiler.is_compiling():
        least, most = (int(x) for x in ids.aminmax())
        if least < 0 or most >= vocabulary:
            raise RegardError(
                f"{what} go from {least} to {most}; the vocabulary has 0 to {vocabulary - 1}"
            )
    return ids


def real_tokens(ids: Tensor, mask: Tensor | None, pad: int) -> Tensor:
    """The mask itself, or where there is no padding: boolean ``[B, N]``, True = real."""
    if mask is None:
        return ids != pad
    if mask.dtype != torch.bool or mask.shape != ids.shape:
        raise RegardError(
            f"a mask is boolean (True = real) with the shape of the ids, here {list(ids.shape)}; "
            f"got {mask.dtype} {list(mask.shape)}"
        )
    return mask


def needed(mask: Tensor) -> Tensor | None:
    """None for a mask that hides nothing, where asking is cheap: attention is faster without."""
    cheap = mask.device.type == "cpu" and not torch.compiler.is_compiling()
    return None if cheap and bool(mask.all()) else mask


def silent(x: Tensor, mask: Tensor) -> Tensor:
    """Features ``x [B, N, D]`` with zeros where the mask ``[B, N]`` has no real token."""
    return x.masked_fill(~mask.unsqueeze(-1), 0.0)


def lengths(mask: Tensor) -> Tensor:
    """How many real tokens each sequence has, ``[B]``; all of them stand before the padding.

    Raises:
        RegardError: for padding before a real token (looked at on the CPU only).
    """
    cheap = mask.device.type == "cpu" and not torch.compiler.is_compiling()
    if cheap and bool((mask[:, 1:] & ~mask[:, :-1]).any()):
        raise RegardError("padding stands before a real token; it must stand at the end")
    return mask.sum(1)


def check_count(number: int, what: str) -> int:
    """A whole number of at least one."""
    if type(number) is not int or number < 1:
        raise RegardError(f"{what} is {number!r}; it must be a whole number of at least 1")
    return number


def check_id(number: int, vocabulary: int, what: str) -> int:
    """The id of a token that the vocabulary has."""
    if type(number) is not int or not 0 <= number < vocabulary:
        raise RegardError(
            f"{what} is {number!r}; it must be an id of the vocabulary, 0 to {vocabulary - 1}"
        )
    return number


def check_share(share: float, what: str = "dropout") -> float:
    """A share of at least 0 and below 1."""
    if not 0 <= share < 1:
        raise RegardError(f"{what} is {share!r}; it must be at least 0 and below 1")
    return share
