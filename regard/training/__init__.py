"""Training: one loop for every network and every task.

Order: checkpoint, budget, determinism, loop.
"""

from .budget import Budget
from .loop import Run, train

__all__ = ["Budget", "Run", "train"]
