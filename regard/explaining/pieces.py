"""A text as the pieces that the shipped network knows: words, and parts of words it does not."""

from __future__ import annotations

from ..data.text import Vocabulary
from ..data.text.vocabulary import UNKNOWN
from ..data.text.words import split_words
from ..errors import RegardError
from .subject import require_count, require_text

SPREAD = 400  # letters of a text that is looked at at all


def split_pieces(text: str, known: set[str]) -> list[str]:
    """Words and Chinese characters of a text, as written; unknown words fall into known parts."""
    pieces: list[str] = []
    for word in split_words(text):
        plain = word.removeprefix(" ")
        while plain:
            size = _known_start(plain, known)
            pieces.append(plain[:size])
            plain = plain[size:]
    return pieces


def _known_start(word: str, known: set[str]) -> int:
    """How long the longest beginning of a word is that is known; at least one letter."""
    lengths = range(len(word), 1, -1)
    return next((n for n in lengths if word[:n].lower() in known), 1)


def ids_of(pieces: list[str], vocabulary: Vocabulary) -> list[int]:
    """Numbers of pieces in the vocabulary, which knows them in lower case."""
    numbers = {token: number for number, token in enumerate(vocabulary.tokens) if number > UNKNOWN}
    return [numbers.get(piece.lower(), UNKNOWN) for piece in pieces]


def visible(piece: str) -> str:
    """A piece as it is shown: what has no shape, such as the joiners in emoji, by its number."""
    shapeless = not piece.isprintable() or "\ufe00" <= piece <= "\ufe0f"
    return " ".join(f"U+{ord(letter):04X}" for letter in piece) if shapeless else piece


def read_pieces(text: str, vocabulary: Vocabulary, what: str = "the text") -> list[str]:
    """The pieces of a text for a page.

    Raises:
        RegardError: for no text at all, and for more than 64 pieces.
    """
    require_text(text, what)
    if len(text) > SPREAD:
        raise RegardError(f"{what} has {len(text):,} characters; up to {SPREAD} would work")
    pieces = split_pieces(text, set(vocabulary.tokens[4:]))
    require_count(len(pieces), what)
    return pieces
