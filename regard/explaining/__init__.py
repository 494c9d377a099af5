"""Explain attention: a page that computes it, step by step, from the numbers of a real network.

Order: pieces, shipped, numbers, mathml, wording, controls, walk, pages, recipe.
"""

from __future__ import annotations

from .pages import explain

__all__ = ["explain"]
