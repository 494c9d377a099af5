"""See what a model attends to, what follows from it, and whether it tells anything.

Order: grids, canvas, result, looking.
"""

from __future__ import annotations

from .looking import see
from .result import Maps

__all__ = ["Maps", "see"]
