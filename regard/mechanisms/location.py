r"""Location-aware attention: additive attention that also sees where the step before looked.

.. math:: f_i = F * \alpha_{i-1}, \qquad
          e_{ij} = w^\top \tanh(W s_i + V h_j + U f_{ij} + b), \qquad
          \alpha_i = \mathrm{softmax}(e_i), \qquad g_i = \sum_j \alpha_{ij} h_j

The filters F tell what the previous alignment looks like around each key, so that a decoder can
move on and does not lose its place among keys that are alike.

Shapes: queries ``[B, Nq, dq]``, keys ``[B, Nk, dk]``, values ``[B, Nk, dv]`` → ``[B, Nq, dv]``.
Cost: a·(dq + dk + k + 2) + k·r parameters for k filters of r taps, Nq·Nk·(a + k·(a + r))
multiplications, O(Nq·Nk·a) memory.

A decoder runs it step by step: ``weights = m.align(state, keys, previous=last)`` is the alignment
``[B, 1, Nk]`` to hand on, and ``weights @ keys`` what ``m(state, keys, previous=last)`` gives.
Several queries at once are steps side by side, each with a previous alignment of its own.
Without one it is a first step: as in the authors' code, all of the previous alignment lies on the
first key (the first that may be attended). Their convolution turns its filters round, this does
not. The bias b is that of V, as there; normal numbers of spread 0.1 begin all matrices, zeros b.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

from ..cards import Card
from ..errors import RegardError
from ..ops import expect
from ..ops.attention import allowed_pairs
from ._gate import check_size
from ._heads import masked_softmax, matched


class LocationAttention(nn.Module):
    """Location-aware attention (Chorowski et al., arXiv:1506.07503, eq. 5 and 8).

    Args:
        dim: width of the queries.
        key_dim: width of the keys, by default that of the queries.
        hidden: a, the width of the comparing network, by default that of the queries.
        filters: k, number of filters over the previous alignment.
        taps: r, length of a filter, odd.
    """

    def __init__(
        self,
        dim: int,
        key_dim: int | None = None,
        hidden: int | None = None,
        *,
        filters: int = 10,
        taps: int = 201,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.dim = check_size(dim, "dim")
        self.key_dim = dim if key_dim is None else check_size(key_dim, "key_dim")
        hidden = dim if hidden is None else check_size(hidden, "hidden")
        if check_size(taps, "taps") % 2 == 0:
            raise RegardError(f"taps is {taps}; it must be odd, to have a middle")
        check_size(filters, "filters")
        self.query = nn.Linear(dim, hidden, False, device, dtype)
        self.key = nn.Linear(self.key_dim, hidden, True, device, dtype)
        self.filter = nn.Conv1d(
            1, filters, taps, padding=taps // 2, bias=False, device=device, dtype=dtype
        )
        self.place = nn.Linear(filters, hidden, False, device, dtype)
        self.energy = nn.Linear(hidden, 1, False, device, dtype)
        for layer in (self.query, self.key, self.filter, self.place, self.energy):
            nn.init.normal_(layer.weight, std=0.1)
        nn.init.zeros_(self.key.bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        mask: Tensor | None = None,
        previous: Tensor | None = None,
    ) -> Tensor:
        """What the queries find among the values.

        Args:
            query: ``[B, Nq, dq]``, states of a decoder.
            key: ``[B, Nk, dk]``, by default the query; value: ``[B, Nk, dv]``, by default the key.
            mask: boolean, True = may attend; ``[B, Nk]`` or ``[B, Nq, Nk]``.
            previous: alignments of the steps before ``[B, Nq, Nk]``, from :meth:`align`; by default
                all on the first key.

        Returns:
            ``[B, Nq, dv]``; zeros where a query may attend nowhere.
        """
        key = query if key is None else key
        value = matched(query, key, key if value is None else value, "location")
        return self.align(query, key, mask, previous) @ value

    def align(
        self,
        query: Tensor,
        key: Tensor,
        mask: Tensor | None = None,
        previous: Tensor | None = None,
    ) -> Tensor:
        """The alignments ``[B, Nq, Nk]``: rows sum to one, or to zero if masked."""
        query = expect(query, -1, self.dim, "location (queries)", axes=3)
        key = expect(key, -1, self.key_dim, "location (keys)", axes=3)
        allowed = allowed_pairs(query, key, mask, causal=False)
        pairs = self.query(query).unsqueeze(2) + self.key(key).unsqueeze(1)
        last = _last(pairs, allowed, previous)
        found = self.filter(last.flatten(0, 1).unsqueeze(1))  # [B · Nq, k, Nk]
        places = found.transpose(1, 2).unflatten(0, (-1, query.shape[1]))
        energies = self.energy(torch.tanh(pairs + self.place(places))).squeeze(-1)
        return masked_softmax(energies, allowed)


def _last(pairs: Tensor, allowed: Tensor | None, previous: Tensor | None) -> Tensor:
    """The previous alignments ``[B, Nq, Nk]``, nothing of them on keys under the mask."""
    if has_torch_function((pairs,)):
        return handle_torch_function(_last, (pairs,), pairs, allowed, previous)
    if previous is None:
        real = torch.ones_like(pairs[..., 0], dtype=torch.bool)
        real = real if allowed is None else real & allowed
        return ((real.long().cumsum(-1) == 1) & real).to(pairs.dtype)
    if previous.shape != pairs.shape[:3]:
        raise RegardError(
            f"previous alignments are [B, Nq, Nk], here {list(pairs.shape[:3])}; got "
            f"{list(previous.shape)}"
        )
    return previous if allowed is None else previous.masked_fill(~allowed, 0.0)


CARD = Card(
    name="location",
    title="Location-aware attention",
    module=LocationAttention,
    takes="tokens",
    family=("tokens",),
    start="none",
    paper="arXiv:1506.07503",
    year=2015,
    authors="Jan Chorowski, Dzmitry Bahdanau, Dmitriy Serdyuk, Kyunghyun Cho, Yoshua Bengio",
    bibtex="""@inproceedings{chorowski2015attention,
  title     = {Attention-Based Models for Speech Recognition},
  author    = {Chorowski, Jan and Bahdanau, Dzmitry and Serdyuk, Dmitriy and Cho, Kyunghyun
               and Bengio, Yoshua},
  booktitle = {NIPS},
  year      = {2015}
}""",
    code="https://github.com/rizar/attention-lvcsr",
    code_licence="MIT",
    aliases=("location_aware", "chorowski"),
    parameters="2*C**2 + filters*C + 2*C + filters*taps",
    complexity="O(Nq·Nk·a·k) multiplications, O(Nq·Nk·a) memory",
    place="stage",
    options={"filters": 4, "taps": 5},
    waives={"permutation": "it looks at where the step before looked, and around there"},
)
