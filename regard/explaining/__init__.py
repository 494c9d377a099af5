"""Explain attention: a page that computes it, step by step, from the numbers of a real network.

Order: mathml, wording, subject, pieces, shipped, positions, checkpoint, numbers, packing, parts,
controls, walk, pages, recipe. ``images`` has the half on pictures, which takes what ``parts``,
``wording`` and ``mathml`` have.
"""

from __future__ import annotations

from .pages import explain

__all__ = ["explain"]
