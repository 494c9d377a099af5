"""What a comparison of each task is by default: networks, mechanisms, budget, seeds, size.

Those of embedded data take about a minute on two cores and show a mechanism at work; those for
users' own data are a beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..tasks.reading import EMBEDDED
from ..training import Budget


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """The defaults of a :class:`regard.Plan`, whose fields these are."""

    host: str
    mechanisms: str
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    budget: Budget = field(default_factory=Budget)
    dim: int = 128
    controls: str = "none"


_LOOKING_BACK = "none,dot,additive"
RECIPES: Mapping[str, Recipe] = {
    "images": Recipe(
        host="small",
        mechanisms="none,se,eca,cbam,spatial_transformer,multihead",
        controls="widened",
    ),
    "toy": Recipe(
        host="gru",
        mechanisms=_LOOKING_BACK,
        seeds=(0, 1, 2),
        budget=Budget(epochs=4, batch=64, rate=8e-3, clip=1.0),
        dim=64,
    ),
    "dates": Recipe(
        host="gru",
        mechanisms=_LOOKING_BACK,
        seeds=(0, 1, 2),
        budget=Budget(epochs=3, batch=64, rate=8e-3, clip=1.0),
        dim=64,
    ),
    "cues": Recipe(
        host="convolution",
        mechanisms="none,multihead,linear,transformer",
        budget=Budget(epochs=3, batch=64, rate=3e-3),
        dim=64,
        controls="widened",
    ),
    "reviews": Recipe(
        host="bag",
        mechanisms="none,multihead,convolution,transformer(layers=1,positions=rotary)",
        seeds=(0, 1, 2),
        budget=Budget(epochs=4, batch=32, rate=2e-3),
        dim=64,
    ),
    "translation": Recipe(
        host="gru",
        mechanisms=f"{_LOOKING_BACK},transformer",
        seeds=(0, 1, 2),
        budget=Budget(epochs=10, batch=64, rate=2e-3, decay=0.01, clip=1.0),
        dim=256,
    ),
    "tagging": Recipe(
        host="convolution",
        mechanisms="none,multihead,bigru,transformer",
        budget=Budget(epochs=8, batch=32, rate=2e-3, decay=0.01),
        controls="widened",
    ),
    "classification": Recipe(
        host="bag",
        mechanisms="none,convolution,bigru,bigru(pooling=attention),transformer",
        budget=Budget(epochs=8, batch=32, rate=2e-3, decay=0.01),
    ),
}
"""Name of embedded data, or kind of a task → its recipe."""


def recipe_for(data: str, kind: str) -> Recipe:
    """The recipe of some data, which is for a kind of task."""
    name = EMBEDDED[data][1] if data in EMBEDDED else kind
    return RECIPES.get(name, RECIPES[kind])
