"""Text as words and back, without a segmenter."""

from __future__ import annotations

import re

# Scripts that are written without spaces, of which each sign is taken as a word: Han, kana, and
# the signs and full-width forms that go with them.
UNSPACED = (
    "\u3005-\u3007\u3021-\u3029\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U0001b000-\U0001b16f\U00020000-\U000323af"
)
WORD = re.compile(rf" ?(?:[{UNSPACED}]|(?:(?![{UNSPACED}])[\w\u0300-\u036f])+|[^\w\s])")


def split_words(text: str) -> list[str]:
    """Words and punctuation; a word that follows a space begins with it, as does the first.

    Letters, digits and underscores that touch are one word, every other sign is one of its own,
    and so is every Chinese character and kana: ``Hi, 你好!`` gives ``" Hi"``, ``","``, ``" 你"``,
    ``"好"``, ``"!"``. :func:`join_words` gives the text back but for the kind and number of spaces.
    """
    return WORD.findall(" " + " ".join(text.split()))


def join_words(words: list[str]) -> str:
    """The text of which :func:`split_words` made these words."""
    return "".join(words).removeprefix(" ")
