r"""How a recurrent decoder looks at its source: weights for each state over the source's tokens.

======================  ==========================================================  ================
``none``                no look back: a fixed-length context                        Cho, Sutskever
``dot``                 :math:`s \cdot h_j`                                         Luong
``general``, bilinear   :math:`s W h_j`                                             Luong
``additive``            :math:`v \cdot \tanh(W s + U h_j)`                          Bahdanau
``scaled_dot, cosine``  the other scores of the catalogue
``location``            additive, sees the weights of the step before               Chorowski
``local_p``             general near a predicted place, times a Gaussian            Luong
======================  ==========================================================  ================

What depends on the source alone, such as :math:`U h_j`, is made once (``prepare``).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...catalogue import card, get
from ...errors import RegardError, nearest
from ...mechanisms._core import Core
from ...mechanisms._heads import masked_softmax
from ...mechanisms.location import LocationAttention
from ...ops.attention import Score, logits

KINDS = ("none", "dot", "scaled_dot", "cosine", "bilinear", "additive", "location", "local_p")
_OTHER_NAMES = {"local-p": "local_p", "luong_local": "local_p"}


class Aligner(nn.Module):
    """Weights of states over the tokens of a source.

    ``looks_back`` is True where weights need those of the step before.
    """

    looks_back = False

    def prepare(self, values: Tensor) -> Tensor:
        """What of a score depends on the source ``[B, S, D]`` alone."""
        return values

    def forward(
        self, state: Tensor, prepared: Tensor, mask: Tensor, previous: Tensor | None = None
    ) -> Tensor:
        """The weights.

        Args:
            state: ``[B, T, d]``.
            prepared: from :meth:`prepare`.
            mask: ``[B, S]``, True = real.
            previous: the weights of the step before, ``[B, T, S]``.

        Returns:
            ``[B, T, S]``; zeros where nothing of a source is real.
        """
        return masked_softmax(self.scores(state, prepared), mask.unsqueeze(1))

    def scores(self, state: Tensor, prepared: Tensor) -> Tensor:
        """The scores ``[B, T, S]`` before the softmax."""
        raise NotImplementedError


class ScoreAligner(Aligner):
    """One of the scores of the catalogue.

    Args:
        score: its name.
        dim: d, width of the states.
        source_dim: D, width of the source.
    """

    def __init__(
        self,
        score: str,
        dim: int,
        source_dim: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if score in ("bilinear", "additive"):
            self.core: Core = get(score, dim, source_dim, device=device, dtype=dtype)  # type: ignore[assignment]
        elif dim != source_dim:
            raise RegardError(
                f"{score} compares a state of {dim} with a source of {source_dim}; make them equal "
                "(encoder_hidden) or take general or additive"
            )
        else:
            self.core = get(score, dim, device=device, dtype=dtype)  # type: ignore[assignment]
        self.score: Score = self.core.score

    def prepare(self, values: Tensor) -> Tensor:
        """The source times the score's own matrix, where it has one."""
        if self.score == "bilinear":
            return values @ self.core.learned()[0][0].T
        return values @ self.core.learned()[1][0] if self.score == "additive" else values

    def scores(self, state: Tensor, prepared: Tensor) -> Tensor:
        """The scores ``[B, T, S]``."""
        if self.score == "additive":
            query, _, v = (weight[0] for weight in self.core.learned())
            asked = (state @ query).unsqueeze(2)
            return torch.tanh(asked + prepared.unsqueeze(1)) @ v
        if self.score == "bilinear":
            return logits(state, prepared, "dot")
        return logits(state, prepared, self.score, self.core.learned())


class LocationAligner(Aligner):
    """Location-aware attention of the catalogue, see ``regard.card("location")``."""

    looks_back = True

    def __init__(
        self,
        dim: int,
        source_dim: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.core = LocationAttention(dim, source_dim, device=device, dtype=dtype)

    def forward(
        self, state: Tensor, prepared: Tensor, mask: Tensor, previous: Tensor | None = None
    ) -> Tensor:
        """See :class:`Aligner`."""
        return self.core.align(state, prepared, mask, previous)


class LocalAligner(Aligner):
    r"""Local attention around a predicted place (Luong et al., arXiv:1508.04025, eq. 9 and 10).

    .. math:: p = (S - 1)\,\sigma(v_p \cdot \tanh(W_p s)), \qquad
              \alpha_j = \mathrm{softmax}_j(e_j)\, e^{-(j - p)^2 / 2\sigma^2}, \quad \sigma = D/2

    The softmax runs over the keys within D of p; the weights do not sum to one after the Gaussian.
    S − 1, as in the authors' code, and not the paper's S, for places count from 0.

    Args:
        score: compares states and source, by default the general one, which was best with it.
        window: D.
    """

    def __init__(
        self,
        dim: int,
        source_dim: int,
        *,
        score: str = "bilinear",
        window: int = 10,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.base = ScoreAligner(score, dim, source_dim, device=device, dtype=dtype)
        if not window > 0:
            raise RegardError(f"window is {window!r}; it must be above 0")
        self.window = window
        self.hidden = nn.Linear(dim, dim, bias=False, device=device, dtype=dtype)
        self.place = nn.Linear(dim, 1, bias=False, device=device, dtype=dtype)

    def prepare(self, values: Tensor) -> Tensor:
        """That of the score."""
        return self.base.prepare(values)

    def forward(
        self, state: Tensor, prepared: Tensor, mask: Tensor, previous: Tensor | None = None
    ) -> Tensor:
        """See :class:`Aligner`."""
        last = (mask.sum(1).clamp(min=1) - 1).view(-1, 1, 1)
        centre = last * torch.sigmoid(self.place(torch.tanh(self.hidden(state))))
        apart = torch.arange(mask.shape[1], device=mask.device) - centre  # [B, T, S]
        near = mask.unsqueeze(1) & (apart.abs() <= self.window)
        weights = masked_softmax(self.base.scores(state, prepared), near)
        return weights * torch.exp(-2 * (apart / self.window) ** 2)


def aligner(
    name: str,
    dim: int,
    source_dim: int,
    *,
    window: int = 10,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Aligner | None:
    """The way of looking back with the given name, None for ``none``.

    Args:
        name: see the top of the file; aliases of the catalogue are known too.
        dim: width of the states.
        source_dim: width of the source.
        window: D of ``local_p``.

    Raises:
        RegardError: for another name, or widths that a score cannot compare.
    """
    kind = _OTHER_NAMES.get(name, name)
    if kind not in KINDS:
        try:
            kind = card(kind).name
        except RegardError:
            kind = ""
    if kind == "none":
        return None
    if kind == "location":
        return LocationAligner(dim, source_dim, device=device, dtype=dtype)
    if kind == "local_p":
        return LocalAligner(dim, source_dim, window=window, device=device, dtype=dtype)
    if kind not in KINDS:
        raise RegardError(f"a recurrent decoder cannot look by {name!r}{nearest(name, KINDS)}")
    return ScoreAligner(kind, dim, source_dim, device=device, dtype=dtype)
