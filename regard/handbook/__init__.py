"""The documentation that follows from the mechanisms: written from cards, files and one forward.

Order: vocabulary, tracing, folding, simplifying, layering, diagram, prose, counting, usage, entry,
tables, run, choosing, writing.

``make docs`` runs it in a checkout; a test fails where the committed files differ.
"""

from .writing import differing, documents, pages, write

__all__ = ["differing", "documents", "pages", "write"]
