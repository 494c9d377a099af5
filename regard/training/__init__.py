"""Training: one loop for every network.

Order: checkpoint, budget, determinism, feed, loop.
"""

from .budget import Budget
from .feed import Feed, evaluate
from .loop import Run, train

__all__ = ["Budget", "Feed", "Run", "evaluate", "train"]
