r"""Cross-covariance attention of XCiT: channels attend to channels that are alike over tokens.

.. math:: y = W_o\,\left[\mathrm{softmax}\left(\tau\,\hat Q^\top \hat K\right) V^\top\right]^\top

Q̂ and K̂ are queries and keys with each channel normalised over the tokens; the d × d matrix of a
head is their cosine, times a learned temperature τ that starts at one.

Shapes: tokens ``[B, N, C]`` or a map ``[B, C, *space]`` → the same. Cost: 4C² + 4C + h parameters,
4NC² + 2NC²/h multiplications: linear in N.

``mask`` leaves tokens out of the matrix, and gives zeros there. Biases in queries, keys and values
are those of all XCiT networks; the module alone has none by default (``bias=False``). Start:
``identity`` adds the result to the input, as an XCiT block does, with a zero output projection.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

from ..cards import Card
from ..errors import RegardError
from ..ops import attend, expect, from_tokens, to_tokens
from ._gate import StartOption, adds_input, check_size, check_start, zero
from ._windows import truncated
from .multihead import check_heads


class CrossCovarianceAttention(nn.Module):
    """Cross-covariance attention (El-Nouby et al., arXiv:2106.09681, eq. 2).

    Args:
        dim: C, width of the tokens.
        heads: h; C must be divisible by it.
        bias: biases of queries, keys and values.
        residual: add the input to the result; by default only at an identity start.
        start: ``paper``, or ``identity``: a zero output projection, and the input added.
    """

    def __init__(
        self,
        dim: int,
        heads: int = 8,
        *,
        bias: bool = True,
        residual: bool | None = None,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.dim, self.heads = check_size(dim, "dim"), check_heads(dim, heads)
        self.residual = adds_input(check_start(start), residual)
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1, device=device, dtype=dtype))
        self.qkv = nn.Linear(dim, 3 * dim, bias, device, dtype)
        self.output = nn.Linear(dim, dim, device=device, dtype=dtype)
        truncated(self.qkv, self.output)
        if start == "identity":
            zero(self.output)

    def forward(self, query: Tensor, mask: Tensor | None = None) -> Tensor:
        """``query [B, N, C]`` or a map; ``mask`` is boolean ``[B, N]``, True = a real token."""
        tokens = expect(to_tokens(query), -1, self.dim, "xca")
        split = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 4, 1)
        q, k, v = split.unbind(0)  # each [B, h, d, N]
        some = None
        if mask is not None:
            mask = check_mask(mask, tokens)
            q, k = (x.masked_fill(~mask[:, None, None], 0.0) for x in (q, k))
            some = mask.any(1, keepdim=True).expand(-1, k.shape[2])
        out = attend(_unit(q) * self.temperature, _unit(k), v, "dot", mask=some)
        y = self.output(out.permute(0, 3, 1, 2).flatten(2))
        if mask is not None:
            y = y.masked_fill(~mask[:, :, None], 0.0)
        y = from_tokens(y, query)
        return query + y if self.residual else y


def _unit(x: Tensor) -> Tensor:
    """Rows of length one; the usual 1e-12 is zero in float16, where zeros would become 0 / 0."""
    if has_torch_function((x,)):
        unit: Tensor = handle_torch_function(_unit, (x,), x)
        return unit
    return F.normalize(x, dim=-1, eps=max(1e-12, torch.finfo(x.dtype).tiny))


def check_mask(mask: Tensor, tokens: Tensor) -> Tensor:
    """``mask`` itself, if it says of each token whether it is real."""
    if mask.dtype != torch.bool or mask.shape != tokens.shape[:2]:
        raise RegardError(
            f"xca has no scores of pairs of tokens: its mask is boolean [B, N], True = real, here "
            f"{list(tokens.shape[:2])}; got {mask.dtype} {list(mask.shape)}"
        )
    return mask


CARD = Card(
    name="xca",
    title="Cross-covariance attention (XCiT)",
    module=CrossCovarianceAttention,
    takes="tokens",
    family=("channel", "tokens"),
    start="residual",
    paper="arXiv:2106.09681",
    year=2021,
    authors="Alaaeldin El-Nouby, Hugo Touvron, Mathilde Caron, Piotr Bojanowski, Matthijs Douze, "
    "Armand Joulin, Ivan Laptev, Natalia Neverova, Gabriel Synnaeve, Jakob Verbeek, Hervé Jégou",
    bibtex="""@inproceedings{elnouby2021xcit,
  title     = {{XCiT}: Cross-Covariance Image {Transformers}},
  author    = {El-Nouby, Alaaeldin and Touvron, Hugo and Caron, Mathilde and Bojanowski, Piotr
               and Douze, Matthijs and Joulin, Armand and Laptev, Ivan and Neverova, Natalia
               and Synnaeve, Gabriel and Verbeek, Jakob and J{\\'e}gou, Herv{\\'e}},
  booktitle = {NeurIPS},
  year      = {2021}
}""",
    code="https://github.com/facebookresearch/xcit",
    code_licence="Apache-2.0",
    aliases=("xcit", "cross_covariance"),
    variants=("official",),
    parameters="4*C**2 + 4*C + heads",
    complexity="O(N·C²) multiplications, O(C²/h) memory for the scores",
    place="stage",
    options={"heads": 8},
)
