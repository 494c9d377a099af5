"""Many mechanisms under one budget, and what may be said of them.

Order: student, statistics, arms, placebo, spec, trial, worker, executors, result, pictures,
reporting, plan, setting, grid, progress.
"""

from .grid import compare
from .plan import Plan
from .reporting import report
from .result import Comparison

__all__ = ["Comparison", "Plan", "compare", "report"]
