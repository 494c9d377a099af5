r"""T5's relative bias: a learned logit for each head and bucket of distances.

.. math:: e_{ij} = q_i \cdot k_j + b_{h,\,\beta(j - i)}

Near distances have a bucket each, further ones share buckets that widen logarithmically up to
``distance``; all beyond share the last. In both directions, each has half of the buckets, later
keys the upper half; otherwise later keys, which a causal mask hides, fall into bucket 0.

Shapes: queries and by default as many keys, ``[B, h, N, d]``, for their numbers alone → logits
``[h, Nq, Nk]`` for ``attend(query, key, value, bias=…)``; the queries are the last of the keys.
Cost: buckets · h parameters, h·Nq·Nk additions.

T5 shares one table among all its layers and does not divide its logits by √d: that is
``attend(…, "dot", bias=…)``. The start is that of the authors' later code (t5x), Xavier uniform.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import expect
from ._gate import check_size
from ._places import distances


class T5Bias(nn.Module):
    """T5's relative position bias (Raffel et al., arXiv:1910.10683, section 2.1).

    Args:
        heads: h, number of heads.
        buckets: number of logits a head; even in both directions.
        distance: where the last bucket begins at the latest.
        bidirectional: tell later keys from earlier ones (an encoder); else a causal decoder's.
    """

    def __init__(
        self,
        heads: int,
        buckets: int = 32,
        distance: int = 128,
        *,
        bidirectional: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.heads, self.bidirectional = check_size(heads, "heads"), bidirectional
        self.buckets, self.distance = check_size(buckets, "buckets"), distance
        least = 4 if bidirectional else 2
        if buckets < least or (bidirectional and buckets % 2):
            what = "an even number" if bidirectional else "a number"
            raise RegardError(f"buckets is {buckets}; it must be {what} of at least {least}")
        exact = buckets // least
        if not distance > exact:
            raise RegardError(
                f"distance is {distance}; with {buckets} buckets it must be above {exact}"
            )
        self.weight = nn.Parameter(torch.empty(buckets, heads, device=device, dtype=dtype))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, query: Tensor, key: Tensor | None = None) -> Tensor:
        """The bias ``[h, Nq, Nk]`` for queries and keys ``[B, h, N, d]``."""
        query = expect(query, 1, self.heads, "t5_bias", axes=4)
        bias = F.embedding(self.bucket(distances(query, key)), self.weight)
        return bias.permute(2, 0, 1).to(query.dtype)

    def bucket(self, apart: Tensor) -> Tensor:
        """The bucket of each distance, key minus query, whole numbers of any shape."""
        count = self.buckets
        upper: Tensor | int = 0
        if self.bidirectional:
            count //= 2
            upper = count * (apart > 0)
            apart = apart.abs()
        else:
            apart = (-apart).clamp(min=0)
        exact = count // 2
        # In float32, as the authors': where a bucket ends, another precision may round elsewhere.
        share = torch.log(apart.clamp(min=1).float() / exact) / math.log(self.distance / exact)
        wide = (exact + (share * (count - exact)).long()).clamp(max=count - 1)
        return upper + torch.where(apart < exact, apart, wide)

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"{self.heads}, buckets={self.buckets}, distance={self.distance}"


CARD = Card(
    name="t5_bias",
    title="T5 relative position bias",
    module=T5Bias,
    takes="position",
    position="bias",
    family=("tokens",),
    start="none",
    paper="arXiv:1910.10683",
    year=2020,
    authors="Colin Raffel, Noam Shazeer, Adam Roberts, Katherine Lee, Sharan Narang, "
    "Michael Matena, Yanqi Zhou, Wei Li, Peter J. Liu",
    bibtex="""@article{raffel2020exploring,
  title   = {Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer},
  author  = {Raffel, Colin and Shazeer, Noam and Roberts, Adam and Lee, Katherine and
             Narang, Sharan and Matena, Michael and Zhou, Yanqi and Li, Wei and Liu, Peter J.},
  journal = {Journal of Machine Learning Research},
  year    = {2020}
}""",
    code="https://github.com/google-research/text-to-text-transfer-transformer",
    code_licence="Apache-2.0",
    aliases=("t5_relative", "relative_bias"),
    variants=("official",),
    parameters="buckets*C",
    complexity="O(h·Nq·Nk) additions and as much memory for the bias",
    place="stage",
)
