"""The cost of a model: parameters, multiply-accumulates, latency and memory.

Order: running, macs, memory, timing, measuring.
"""

from .macs import count_macs
from .measuring import Cost, measure
from .memory import saved_bytes
from .timing import Quartiles

__all__ = ["Cost", "Quartiles", "count_macs", "measure", "saved_bytes"]
