"""Does a heat tell anything? Two tests, and one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from .. import page
from ..page import Markup
from .erasure import Curves, Erase, deletion_insertion
from .heat import Heat
from .methods import Method
from .shuffling import shuffled_correlations
from .targets import Target, best_class

ALIKE = 0.5  # rank correlation from which a heat counts as the same


@dataclass(frozen=True, slots=True)
class Sanity:
    """What the tests said of one heat.

    Args:
        curves: of deletion and insertion.
        correlations: with the heats of ever more shuffled copies of the model.
        flat: the heat is the same everywhere.
    """

    curves: Curves
    correlations: tuple[float, ...]
    flat: bool = False

    @property
    def matters(self) -> bool:
        """Whether the answer hangs on what is marked: more than in every random order."""
        return self.curves.better_than == len(self.curves.random_gaps)

    @property
    def learned(self) -> bool:
        """Whether the heat is another one once all weights are shuffled."""
        return abs(self.correlations[-1]) < ALIKE

    @property
    def still(self) -> bool:
        """Whether the answer is the same whatever is taken away, so that nothing is tested."""
        return len({*self.curves.deletion, *self.curves.insertion}) == 1

    def sentence(self) -> str:
        """Whether the heat tells anything, and why."""
        if self.flat:
            return "It tells nothing: it is the same everywhere."
        if self.still:
            return (
                "It cannot be judged: the answer stays the same whatever is taken away, as where "
                "the network knows none of the words."
            )
        count = len(self.curves.random_gaps)
        alike = page.signed(f"rank correlation {self.correlations[-1]:.2f}")
        gap = page.signed(f"{self.curves.gap:+.2g} against a mean of {self._mean_gap():+.2g}")
        if self.matters and self.learned:
            return (
                "It tells something: taking away what it marks moves the answer more than each of "
                f"{count} random orders does ({gap}), and shuffled weights give another map "
                f"({alike})."
            )
        if self.matters:
            return (
                f"Read it with care: the answer hangs on what it marks ({gap}), but shuffled "
                f"weights give {self._same()} ({alike}): it shows the input more than what was "
                "learned."
            )
        beaten = f"it beats {self.curves.better_than} of {count} random orders ({gap})"
        if self.learned:
            return (
                "It tells little of this answer: taking away what it marks moves it no more than "
                f"chance does, {beaten}; with the weights the map does change ({alike})."
            )
        return f"It tells nothing: {beaten}, and shuffled weights give {self._same()} ({alike})."

    def figure(self) -> Markup:
        """The curves, and those of random orders."""
        c = self.curves
        runs = [("deletion", c.shares, c.deletion), ("insertion", c.shares, c.insertion)]
        runs += [("deletion, random order", c.shares, run) for run in c.random_deletion]
        runs += [("insertion, random order", c.shares, run) for run in c.random_insertion]
        caption = (
            "Deletion takes the most marked places away first, insertion puts them back first. "
            "A map that matters has a low deletion curve and a high insertion curve."
        )
        return page.lines(runs, "share of the places", "score", caption=caption)

    def _same(self) -> str:
        return "nearly the same map" if self.correlations[-1] > 0 else "nearly its reverse"

    def _mean_gap(self) -> float:
        return sum(self.curves.random_gaps) / len(self.curves.random_gaps)


def sanity_check(
    model: nn.Module,
    x: Any,
    heat: Heat,
    method: Method,
    erase: Erase,
    *,
    target: Target = None,
) -> Sanity:
    """Both tests for the first sample.

    Args:
        model: left as it is.
        x: the input of the heat.
        heat: what is judged.
        method: that made it.
        erase: takes places of the input away; see :mod:`regard.seeing.erasure`.
        target: what was explained; the class that is best now is kept in shuffled copies.
    """
    if target is None:
        target = best_class(model, x)
    curves = deletion_insertion(model, erase, heat, target)
    found = shuffled_correlations(model, lambda copy: method(copy, x, target).values[0])
    values = heat.values[0][heat.values[0].isfinite()]
    return Sanity(curves, found, bool((values == values[0]).all()))
