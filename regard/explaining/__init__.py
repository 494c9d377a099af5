"""Explain attention: a page that computes it, step by step, from the numbers of a real network.

Order: mathml, wording, parts, subject, pieces, shipped, positions, checkpoint, packing, numbers,
controls, walk, pages, recipe. ``images`` has the half on pictures, between walk and pages.
"""

from __future__ import annotations

from .pages import explain

__all__ = ["explain"]
