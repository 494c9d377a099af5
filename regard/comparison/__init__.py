"""Many mechanisms under one budget, and what may be said of them.

Order: student, verdict, statistics, arms, recipes, placebo, sources, spec, locking, attended,
trial, trained, watched, worker, executors, wording, reading, measures, result, matrices, pictures,
protocol, reporting, plan, setting, grid, progress.
"""

from .grid import compare
from .plan import Plan
from .reporting import report
from .result import Comparison

__all__ = ["Comparison", "Plan", "compare", "report"]
