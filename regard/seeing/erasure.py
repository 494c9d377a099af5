"""Deletion and insertion: does the answer hang on what a heat marks?

Places are taken away in the order of the heat, the most marked first (deletion), and put back in
that order (insertion); Petsiuk et al., RISE (arXiv:1806.07421), section 3.3. The same in random
orders says what any order gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..surgery.observation import left_as_found
from .heat import Heat
from .targets import Target, best_class, call, logits_of, scores_of

SOURCE = "arXiv:1806.07421"

Erase = Callable[[Tensor], Any]
"""From keep ``[S, places]``, True = stays, to inputs of S samples."""


@dataclass(frozen=True, slots=True)
class Curves:
    """Scores as places go, or come back.

    Args:
        shares: of the places, from 0 to 1.
        deletion, insertion: the score at each share, in the order of the heat.
        random_deletion, random_insertion: in random orders.
    """

    shares: tuple[float, ...]
    deletion: tuple[float, ...]
    insertion: tuple[float, ...]
    random_deletion: tuple[tuple[float, ...], ...]
    random_insertion: tuple[tuple[float, ...], ...]

    def area(self, curve: tuple[float, ...]) -> float:
        """Under a curve, by trapezoids."""
        steps = zip(pairwise(self.shares), pairwise(curve), strict=True)
        return sum((b - a) * (u + v) / 2 for (a, b), (u, v) in steps)

    @property
    def gap(self) -> float:
        """Area of insertion less that of deletion: the larger, the more hangs on what is marked."""
        return self.area(self.insertion) - self.area(self.deletion)

    @property
    def random_gaps(self) -> tuple[float, ...]:
        """The same in random orders."""
        pairs = zip(self.random_insertion, self.random_deletion, strict=True)
        return tuple(self.area(i) - self.area(d) for i, d in pairs)

    @property
    def better_than(self) -> int:
        """How many of the random orders have a smaller gap."""
        return sum(self.gap > other for other in self.random_gaps)


@torch.no_grad()
def deletion_insertion(
    model: nn.Module,
    erase: Erase,
    heat: Heat,
    target: Target = None,
    *,
    steps: int = 8,
    orders: int = 8,
    batch: int = 16,
) -> Curves:
    """Curves of the first sample's score.

    Args:
        model: left in its mode.
        erase: makes inputs with some places taken away, such as :func:`blurring`.
        heat: of the same input; its places are what goes, but for those without a value.
        target: as in :func:`regard.seeing.grad_cam`; of a class the probability is scored.
        steps: points of a curve after the first; at most one a place.
        orders: random ones, from a fixed seed.
        batch: samples at a time.
    """
    values = heat.values[0].flatten()
    ranked = _orders(values, orders)
    steps = min(steps, len(ranked[0]))
    counts = [round(len(ranked[0]) * k / steps) for k in range(steps + 1)]
    kept = []
    for order in ranked:
        gone = torch.zeros(steps + 1, len(values), dtype=torch.bool)
        left = torch.zeros_like(gone)
        left[:, order] = True
        for row, count in zip(gone, counts, strict=True):
            row[order[:count]] = True
        kept += [~gone, ~(left & ~gone)]
    with left_as_found(model):
        if target is None:
            target = best_class(model, erase(torch.ones(1, len(values), dtype=torch.bool)))
        parts = torch.cat(kept).split(batch)
        scores = torch.cat([_scores(call(model, erase(part)), target) for part in parts])
    curves = [tuple(map(float, c)) for c in scores.split(steps + 1)]
    shares = tuple(count / counts[-1] for count in counts)
    return Curves(shares, curves[0], curves[1], tuple(curves[2::2]), tuple(curves[3::2]))


def blurring(picture: Tensor, places: tuple[int, int]) -> Erase:
    """Takes places of a picture away by blurring them.

    The blurred picture is its mean over boxes of a quarter of its sides, taken twice.

    Args:
        picture: ``[1, C, H, W]`` or ``[C, H, W]``.
        places: height and width of the heat.
    """
    picture = picture.reshape(1, *picture.shape[-3:])
    height, width = picture.shape[2:]
    box = [2 * (n // 8) + 1 for n in (height, width)]
    blurred = picture
    for _ in range(2):
        padding = [box[1] // 2, box[1] // 2, box[0] // 2, box[0] // 2]
        blurred = F.avg_pool2d(F.pad(blurred, padding, "replicate"), box, stride=1)

    def erase(keep: Tensor) -> Tensor:
        mask = keep.unflatten(1, (1, *places)).to(picture)
        return torch.where(F.interpolate(mask, (height, width)) > 0.5, picture, blurred)

    return erase


def blanking(
    ids: Tensor, blank: int, others: dict[str, Tensor] | None = None, name: str = "input_ids"
) -> Erase:
    """Takes tokens of a text away by writing another in their place.

    Args:
        ids: ``[1, N]``.
        blank: id of the token written, such as that of a mask, of the unknown, or of padding.
        others: further arguments of the model, ``[1, …]``; then all go by name.
        name: of the ids then.
    """

    def erase(keep: Tensor) -> Any:
        made = torch.where(keep.to(ids.device), ids, blank)
        if others is None:
            return made
        more = {name: t.expand(len(keep), *t.shape[1:]) for name, t in others.items()}
        return {name: made, **more}

    return erase


def _orders(values: Tensor, count: int) -> list[Tensor]:
    """The places that have a value, the most marked first, and in so many random orders."""
    places = values.isfinite().nonzero()[:, 0]
    numbers = torch.Generator().manual_seed(0)
    drawn = [places[torch.randperm(len(places), generator=numbers)] for _ in range(count)]
    return [places[values[places].argsort(descending=True, stable=True)], *drawn]


def _scores(output: Any, target: Target) -> Tensor:
    if callable(target) and not isinstance(target, Tensor):
        return scores_of(output, target).float().cpu()
    chosen = int(torch.as_tensor(target).flatten()[0])
    return logits_of(output).float().softmax(1)[:, chosen].cpu()
