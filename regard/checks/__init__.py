"""The contract that every mechanism keeps, one function a rule; it runs on anybody's mechanism.

Order: surroundings, arithmetic, bibtex, rule, specimen, values, gradients, precision, state,
starts, graphs, masks, places, hosts, facts, report, checking.
"""

from .checking import check
from .report import Outcome, Report
from .rule import RULES, Broken, NotApplicable

__all__ = ["RULES", "Broken", "NotApplicable", "Outcome", "Report", "check"]
