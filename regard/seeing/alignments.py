"""The alignment matrix of a translation: which words of the source each word looked at.

Bahdanau et al., Neural Machine Translation by Jointly Learning to Align and Translate
(arXiv:1409.0473), figure 3.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import RegardError
from .head_summaries import head_mean
from .result import Maps

SOURCE = "arXiv:1409.0473"


def alignment(maps: Maps, site: str | None = None) -> Tensor:
    """Weights of target positions over source positions, heads averaged, steps put together.

    Args:
        maps: of one forward or decoding.
        site: of the attention between the two sentences; default: the last site whose queries are
            not its keys, be it that the numbers differ or that it is called once a step.

    Returns:
        ``[B, T, S]``.

    Raises:
        RegardError: where no such attention is told apart; then ``site`` names it.
    """
    names = list(dict.fromkeys(m.site for m in maps if m.kind == "weights"))
    if site is None:
        between = [name for name in names if _looks_elsewhere(maps, name)]
        if not between:
            raise RegardError(
                "alignment: no attention between two sentences is told apart; "
                f"site= names it, among {', '.join(map(repr, names)) or 'none'}"
            )
        site = between[-1]
    steps = [head_mean(m) for m in maps.at(site, "weights")]
    if len({(len(s), s.shape[-1]) for s in steps}) > 1:
        raise RegardError(f"alignment: the source of {site!r} changes from step to step")
    return torch.cat(steps, 1)


def _looks_elsewhere(maps: Maps, site: str) -> bool:
    """Whether the keys of a site stay the same while its queries are others."""
    shapes = [m.values.shape[-2:] for m in maps if m.site == site and m.kind == "weights"]
    return len({keys for _, keys in shapes}) == 1 and any(q != k for q, k in shapes)
