r"""Performer: random positive features whose inner products estimate the softmax kernel (FAVOR+).

.. math:: \phi(x) = \frac{1}{\sqrt m}\left(\exp\left(W x' - \tfrac12 \|x'\|^2 - c\right)
          + \epsilon\right), \quad x' = x / \sqrt[4]{d}, \qquad
          z_i = \frac{\phi(q_i)^\top \sum_j \phi(k_j)\, v_j^\top}{\phi(q_i)^\top \sum_j \phi(k_j)}

The rows of W are orthogonal in blocks of d, each as long as a Gaussian vector. c is the largest
W x' of a query, or of all keys that may be attended; but for ε it cancels.

Shapes: ``[B, Nq, D]`` and ``[B, Nk, E]`` → ``[B, Nq, D]``, or a map ``[B, D, *space]``. Cost: 4D²
parameters, 4N·D² + 4N·m·D multiplications: linear in N. W is a buffer, drawn from ``seed``, and
saved with the module; the authors' code draws it anew for every call, here ``redraw(seed)`` does.

As in the authors' code m = 256 and ε = 1e-6, no biases. Unlike there, the signs of the QR
decomposition are undone: it gives one row of W one sign, which biases the estimate.

No score of each query and key is made: a mask is ``[B, Nk]``. There is no causal form: in the
authors' one c looks at later keys too, and through ε they move the outputs before them. In half
precision all is computed in float32.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from ..cards import Card
from ..errors import RegardError
from ._gate import StartOption, check_size
from ._heads import Heads, key_mask, widened

EPS = 1e-6


class Performer(Heads):
    """FAVOR+ attention (Choromanski et al., arXiv:2009.14794, section 2).

    Args:
        dim: D, width of the queries' source and of the output.
        heads: h; D must be divisible by it.
        features: m, rows of W, shared by the heads.
        seed: of W.
        source_dim: E, width of the keys' and values' source, by default D.
        bias: biases in the four projections.
        residual: add the queries' source to the result; by default only at an identity start.
        start: ``paper`` (Xavier) or ``identity`` (output projection zero, residual).
    """

    name: ClassVar[str] = "performer"
    directions: Tensor

    def __init__(
        self,
        dim: int,
        heads: int = 8,
        features: int = 256,
        *,
        seed: int = 0,
        source_dim: int | None = None,
        bias: bool = False,
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
        shape = (check_size(features, "features"), dim // heads)
        self.register_buffer("directions", torch.empty(shape, device=device, dtype=dtype))
        self.redraw(seed)

    @torch.no_grad()
    def redraw(self, seed: int) -> None:
        """Other random features, of the same seed the same."""
        if type(seed) is not int:
            raise RegardError(f"seed is {seed!r}; it must be a whole number")
        rows, width = self.directions.shape
        self.directions.copy_(_orthogonal(rows, width, seed))

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
        return self.attention(query, key, value, mask)

    def mix(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool
    ) -> Tensor:
        """Sums over keys of features times values, read by the features of each query."""
        real = key_mask(mask, key, self.name)
        q, length = self._projected(query)
        q = (q - length - q.amax(-1, keepdim=True)).exp() + EPS
        k, length = self._projected(key)
        if real is None:
            k = (k - length - k.amax((-2, -1), keepdim=True)).exp() + EPS
        else:
            real = real.unsqueeze(-1)
            # Where no key is real there is no largest one either; any number will do.
            top = k.masked_fill(~real, torch.finfo(k.dtype).min).amax((-2, -1), keepdim=True)
            k = ((k - length - top).masked_fill(~real, 0.0).exp() + EPS) * real
        # The factors 1 / m cancel.
        sums = q @ (k.transpose(-2, -1) @ widened(value))
        total = (q * k.sum(-2, keepdim=True)).sum(-1, keepdim=True)
        return (sums / (total + (total == 0))).to(value.dtype)

    def _projected(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """W x' ``[B, h, N, m]`` and ½|x'|² ``[B, h, N, 1]``."""
        scaled = widened(x) * (self.dim // self.heads) ** -0.25
        return (
            scaled @ widened(self.directions).transpose(-2, -1),
            scaled.square().sum(-1, keepdim=True) / 2,
        )


def _orthogonal(rows: int, width: int, seed: int) -> Tensor:
    """Rows orthogonal in blocks of ``width``, each with the length of a Gaussian vector."""
    numbers = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=numbers, dtype=torch.float64, device="cpu")

    def turned() -> Tensor:
        q, r = torch.linalg.qr(draw(width, width))
        return (q * r.diagonal().sign()).T

    blocks = [turned() for _ in range(-(-rows // width))]
    return torch.cat(blocks)[:rows] * draw(rows, width).norm(dim=1, keepdim=True)


CARD = Card(
    name="performer",
    title="Performer",
    module=Performer,
    takes="tokens",
    family=("tokens",),
    start="residual",
    paper="arXiv:2009.14794",
    year=2021,
    authors="Krzysztof Choromanski, Valerii Likhosherstov, David Dohan, Xingyou Song, "
    "Andreea Gane, Tamas Sarlos, Peter Hawkins, Jared Davis, Afroz Mohiuddin, Lukasz Kaiser, "
    "David Belanger, Lucy Colwell, Adrian Weller",
    bibtex="""@inproceedings{choromanski2021rethinking,
  title     = {Rethinking Attention with Performers},
  author    = {Choromanski, Krzysztof and Likhosherstov, Valerii and Dohan, David and Song, Xingyou
               and Gane, Andreea and Sarlos, Tamas and Hawkins, Peter and Davis, Jared
               and Mohiuddin, Afroz and Kaiser, Lukasz and Belanger, David and Colwell, Lucy
               and Weller, Adrian},
  booktitle = {ICLR},
  year      = {2021}
}""",
    code="https://github.com/google-research/google-research",
    code_licence="Apache-2.0",
    aliases=("favor", "favor_plus"),
    parameters="4*C**2",
    complexity="O(N·D² + N·m·D) multiplications, O(N·m) memory",
    place="stage",
    options={"heads": 8},
)
