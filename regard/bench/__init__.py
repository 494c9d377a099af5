"""How fast the mechanisms are: checked first, then timed side by side in one run.

Order: allocator, statistics, rounds, scope, case, cases, contenders, peers, material, fields,
peaks, correctness, findings, wording, reporting, result, benching.

Contenders of a case: the plain form, ours, ``torch.compile`` of the plain form, timm's module, and
a copy of the input; around whole networks also the network without attention. They run by turns,
and what is said of them are medians of the rounds' own ratios with order-statistics intervals.
"""

from .benching import bench
from .findings import Entry, Row, Wrong
from .result import Benchmark
from .scope import Scope

__all__ = ["Benchmark", "Entry", "Row", "Scope", "Wrong", "bench"]
