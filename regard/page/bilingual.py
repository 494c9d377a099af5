"""Text in two languages side by side; the style sheet shows the one that the page is in."""

from __future__ import annotations

from .markup import Child, Markup, element, join


def both(english: Child, chinese: Child, tag: str = "span") -> Markup:
    """The same in English and in Chinese; one of them is shown.

    Args:
        english, chinese: plain text, which is escaped, or ``Markup``.
        tag: the element of each, such as ``span`` in a line or ``p`` for a paragraph.
    """
    return join(
        element(tag, english, lang="en", class_="tongue"),
        element(tag, chinese, lang="zh", class_="tongue"),
    )
